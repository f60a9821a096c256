"""Stand-alone scripts, one a runtime: run in the environment of that runtime, where nothing of Decant is installed."""
