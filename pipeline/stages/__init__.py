"""The stages of a run, one a file; `pipeline.run` calls them in order."""
