"""What teachers say, on disk: scores and vectors in shards, found again by content."""
