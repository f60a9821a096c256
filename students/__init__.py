"""Students: small, fast encoders trained on what a teacher says."""
