"""Pairs of texts: where they come from, what may be wrong with them, and the splits a run works on."""
