"""The recipe that `decant init` writes."""

from __future__ import annotations

STARTER = """\
# A Decant recipe. Check it with `decant validate`, see what it will do with `decant plan`, run it with `decant run`.
name: {name}            # the run's folder is runs/{name}
seed: 0

texts:
  # What a label means: regression (low..high), binary (two classes, the second positive) or multiclass (classes).
  task: {{kind: regression, low: 0, high: 5}}
  columns: {{first: sentence1, second: sentence2, label: label}}
  train: {train}        # .tsv, .csv, .jsonl or .parquet, a folder, or {{hub: org/dataset, split: train}}
  test: {test}
  # dev: dev.tsv        # without it, a tenth of train is held back
  # unlabelled: [more_pairs.tsv]    # pairs without labels, which the teacher labels
  # problems: {{empty: drop, label: drop}}   # rows that are refused by default

teacher:
  kind: fine_tune       # or `load`, with the model of a trained cross-encoder
  model: sentence-transformers/all-MiniLM-L6-v2    # hub id, folder, or package:NAME/FOLDER
  epochs: 4
  learning_rate: 8.0e-5

student:
  model: sentence-transformers/all-MiniLM-L6-v2
  form: cosine          # serve the cosine of two vectors; `comparator` is DSE's head, which classes need
  epochs: 3
  alpha: 0.5            # weight of the teacher against the labels

# trainer: {{devices: 2}} # processes of each training: one a GPU, or beside each other on the CPU's cores

export:
  precisions: [fp32, int8-dynamic]
"""


def starter_recipe(name: str, train: str, test: str) -> str:
    """A commented recipe that `load_recipe` accepts."""
    letters = (letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in name)
    safe = "".join(letters).strip("._-")[:64] or "recipe"
    return STARTER.format(name=safe, train=train, test=test)
