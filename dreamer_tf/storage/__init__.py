"""What is on disk: checkpoints, logs, failures of the disk."""
