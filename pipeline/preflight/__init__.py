"""What a run would stumble over, told before its first stage."""
