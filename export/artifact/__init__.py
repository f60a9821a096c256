"""Artifact folders: written, listed and verified."""
