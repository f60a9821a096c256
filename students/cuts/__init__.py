"""Smaller models from larger ones: layers, dimensions, neurons and tokens cut out."""
