"""Files of a run: checkpoints, logs, and what happens if the disk fails."""
