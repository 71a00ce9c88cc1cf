"""The version of the package. `setup.py` reads it without importing anything."""

VERSION = "0.2.0"
