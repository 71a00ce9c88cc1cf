"""Behavior learning inside the world model (paper 2.2)."""
