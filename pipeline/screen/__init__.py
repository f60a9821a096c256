"""What a person sees: lines, bars, and the same as JSON."""
