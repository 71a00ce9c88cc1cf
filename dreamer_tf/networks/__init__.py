"""Layers, distributions, optimizer and schedules: what world model and behavior are made of."""
