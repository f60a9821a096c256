"""One family of measurements a file: similarity, classification, bootstrap, speed, size."""
