"""Cross-encoders: how their folders are read, how they score, how they are fine-tuned."""
