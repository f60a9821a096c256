"""Training: fit, optimizer, batches, checkpoints, several processes."""
