"""World model learning (paper 2.1)."""
