"""From an artifact to the folder that one runtime mounts."""
