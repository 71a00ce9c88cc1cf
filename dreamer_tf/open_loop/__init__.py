"""Predictions from actions alone, drawn and written as GIFs."""
