"""The pipeline: recipe in, artifacts and a measured report out."""
