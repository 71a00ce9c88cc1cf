"""What a Runner drives: DreamerV2 and Dopamine's agents behind one interface."""
