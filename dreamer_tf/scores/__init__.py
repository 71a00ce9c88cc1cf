"""Score files and what is computed from them."""
