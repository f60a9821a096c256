"""Faults that a run has to survive, at seeded random moments: `python -m tests.faults --moments 50` prints a table."""
