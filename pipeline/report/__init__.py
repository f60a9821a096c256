"""Measurements become files that people read: JSON, Markdown, plots, HTML, model cards."""
