"""Graphs and weights in fewer bits."""
