"""Search the lines of a text file: python examples/search.py ARTIFACT TEXTS QUERY ..."""

import sys
from pathlib import Path

from decant import Encoder

NEAREST = 3

artifact, file, *queries = sys.argv[1:]
texts = [line for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
encoder = Encoder(artifact)
kinds = encoder.prompts  # of a model that tells queries from documents
index = encoder.encode(texts, prompt="document" if "document" in kinds else None)
vectors = encoder.encode(queries, prompt="query" if "query" in kinds else None)

for query, cosines in zip(queries, vectors @ index.T, strict=True):  # unit vectors: the dot product is the cosine
    print(query)
    for row in (-cosines).argsort(kind="stable")[:NEAREST]:
        print(f"{cosines[row]:8.4f}  {texts[row]}")
