"""Stand-alone scripts, one a runtime: run in that runtime's own environment, where nothing of Decant is installed."""
