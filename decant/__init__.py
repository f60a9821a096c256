"""The door to Decant, and the ground that every package stands on."""
