"""Trainings: one method a file, each with its LightningModule beside it."""
