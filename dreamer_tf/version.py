"""The version of the package. `setup.py` reads it without importing anything."""

VERSION = "0.2.0"

# Raised where the same gin configuration begins to give other scores: a changed equation, index or
# sampling rule. Scores of different numerics are not seeds of one configuration.
NUMERICS = 1
