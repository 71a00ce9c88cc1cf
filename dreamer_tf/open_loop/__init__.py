"""Predictions from actions alone, drawn and written as GIFs."""

from typing import Literal

# Whose actions a prediction has: the actor's, random ones, or those of stored sequences.
Actions = Literal["policy", "random", "replay"]
