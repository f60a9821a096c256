"""The page's templates, style and scripts, and what they are filled with."""
