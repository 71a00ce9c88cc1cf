"""Environments with one interface."""
