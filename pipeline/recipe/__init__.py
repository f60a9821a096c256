"""Recipes: their settings, how they are read, and what is wrong with them."""
