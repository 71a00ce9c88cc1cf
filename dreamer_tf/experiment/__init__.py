"""One experiment, from gin files to score files."""
