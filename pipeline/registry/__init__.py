"""A versioned registry of artifacts: what is deployed, what was before, and what was refused."""
