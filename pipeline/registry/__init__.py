"""A versioned registry of artifacts: what is deployed, what was before, and what was refused."""

REGISTRY_VARIABLE = "DECANT_REGISTRY"  # a registry's place, kept out of the arguments that every user of a machine sees
