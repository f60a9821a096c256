"""Load an artifact in the runtimes themselves, and write down what came of it."""
