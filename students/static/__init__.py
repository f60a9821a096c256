"""Static students: a table of token vectors, made of an embedding teacher and what its texts hold."""
