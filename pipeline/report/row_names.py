"""What the report calls the rows that every run has, and those of models that were taught nothing."""

STUDENT, START, WORDS, BM25 = "student", "start model", "bag of words", "BM25"
PEERS_START = "start model in sentence-transformers"
SHARED_START = "start model, maps shared, untrained"
UNTAUGHT = (START, PEERS_START, SHARED_START, WORDS, BM25)
