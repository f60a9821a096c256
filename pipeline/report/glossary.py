"""The words of the reports, one line each: the page shows them where they stand, and docs/glossary.md lists them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

WORDS = {
    "Accuracy": "the share of examples whose class is right",
    "activations": "the memory that an engine takes for what it computes between its layers",
    "artifact": "a folder that holds one small model ready to serve: its graph, tokenizer, card and manifest",
    "attention map": "for each token of a text, how much it takes from every other token; a layer computes one a head",
    "Average precision": "precision averaged over every threshold: 100 puts all positive pairs before all others",
    "baseline": "a model that was not made by this run, measured beside it for comparison",
    "batch invariance": "the lowest cosine between a text's vector alone and the same text's in a batch of mixed "
    "lengths; 1 is no difference",
    "bootstrap interval": "where the figure lies in 95 of 100 test sets drawn anew, with repeats, from this one",
    "budget": "the limits that the recipe sets for what is shipped: milliseconds, size, accuracy",
    "comparator": "a small head that scores two vectors, in place of their cosine",
    "cosine": "how alike two vectors point: 1 the same way, 0 unrelated, -1 opposite",
    "cut": "a smaller model taken out of the student: its first layers, and its vectors' first dimensions",
    "development": "the pairs by which a training picks its best epoch; never the test pairs",
    "dim": "dimensions: how many numbers a vector holds; fewer take less room and time in search",
    "distil": "to train a small model, the student, on what a large one, the teacher, says of the texts",
    "embed": "the training in which the student learns the teachers' vectors of texts",
    "encoder": "the part of a model that turns tokens into their states, the layers; most of the time goes there",
    "engine": "a model compiled for one kind of GPU",
    "examples": "pairs of the test set that the figure is of",
    "exit": "a depth at which a nested student is trained to give vectors, so that the layers above can be cut off",
    "F1": "the harmonic mean of precision and recall of the positive class: 100 is without error",
    "gate": "a figure that an artifact must reach, or the run fails",
    "grid": "the student's accuracy at every depth and vector length that it can be cut to",
    "group": "a part of the graph whose numbers are written in fewer bits together",
    "label": "what people said of a pair: how alike its texts are, or its class",
    "layers": "how deep a model is: fewer answer sooner and know less",
    "loss": "what a training makes smaller: how far the student is from what it is to learn",
    "Macro F1": "F1 averaged over the classes, each counting the same",
    "median": "half of the calls are faster, half are slower",
    "MAP@1000": "precision at each document that answers a query, averaged: 100 puts all of these first",
    "mean": "of a suite: the mean of the main figures of its sets, each counting alike",
    "metric": "the figure that models are judged by, ×100",
    "MiB": "size on disk, in units of 1,048,576 bytes",
    "min cosine": "the lowest cosine between an artifact's vectors and those of the model it was exported from; 1 is "
    "the same",
    "mined pairs": "pairs that were made of unlabelled texts, for the teacher to score",
    "model": "one row: the teacher, a baseline, the student, or an artifact made from it",
    "MRR@10": "one divided by the rank of the first document that answers a query, 0 beyond the tenth, averaged",
    "ms/text": "milliseconds for one text at a time, tokenizer included: the median",
    "nDCG@10": "how well the first ten results are ordered: 100 is the best order there is",
    "nested": "of a student: trained so that its first layers and first dimensions work alone, too",
    "optimizer step": "one change of the model's weights, after a batch of examples",
    "paired": "both models are judged on the same resamples of the test set, so that hard examples do not blur the "
    "difference",
    "parameters": "numbers that training sets: more of them can know more, and take more room and time",
    "parity": "whether an artifact gives the vectors of the model that it was exported from",
    "peak memory": "the most memory that a process took that ran the model",
    "Pearson": "how well the scores follow the labels on a straight line: 100 exactly, 0 not at all",
    "pick": "the artifact that the rule of the recipe chooses to ship, marked in every table",
    "points": "differences of a metric ×100: from 82.0 to 83.5 are 1.5 points",
    "pooling": "how a text's vector comes from its tokens' ones, such as their mean",
    "precision": "in what numbers the weights are kept: fp32 whole; int8 a quarter of that; int4 an eighth",
    "quantization": "writing weights in fewer bits: smaller and often faster, a little less exact",
    "re-ranker": "a model that reads a query with each candidate and orders the candidates anew",
    "Recall@100": "the share of the documents that answer a query that are among its first hundred",
    "resamples": "test sets drawn anew, with repeats, from the test set; their spread is the interval",
    "runtime": "the program that runs the model, such as onnxruntime, OpenVINO or torch",
    "seed": "the number that a run's random choices start from; other seeds show how much is luck",
    "shared maps": "layers, counted from 0, that all use the attention map of the first of them",
    "Spearman": "how well the order of the model's scores follows that of the labels: 100 the same order, 0 none",
    "start model": "the model that the student was trained from, before any training of this run",
    "student": "the small model that is trained to do what the teacher does",
    "suite": "several test sets, each with its name, that models are measured on beside the run's own",
    "teacher": "the large model whose scores or vectors the student learns",
    "texts/s": "texts encoded a second, many at a time, tokenizer included; of a cross-encoder: pairs",
    "token": "a piece of a word, as the tokenizer breaks texts; special ones mark the ends",
    "tokenizer": "what breaks a text into the pieces, tokens, that a model reads",
    "verdict": "above or below the teacher where the interval of the difference leaves zero out",
    "vs teacher": "the metric ×100 minus the teacher's, as both are written",
    "× teacher": "times the teacher's speed: texts a second, or pairs a second where it is a cross-encoder",
    "× torch": "times the texts a second of the row that runs in torch and is named below the table",
}
FORMS = {
    "The suite": "suite",
    "of the teacher's": "mean",
    "1 − cosine": "cosine",
    "95 % interval": "bootstrap interval",
    "Dimensions": "dim",
    "Every cut": "cut",
    "Layers": "layers",
    "Mined pairs": "mined pairs",
    "Parity gates": "parity",
    "Precision": "precision",
    "Runtime": "runtime",
    "activations, MiB": "activations",
    "d": "dim",
    "layers × dimensions": "cut",
    "lowest cosine of a text alone to itself in a batch": "batch invariance",
    "lowest cosine to the exported model": "min cosine",
    "min cosine alone/in a batch": "batch invariance",
    "min cosine to the exported model": "min cosine",
    "over seeds": "seed",
    "points against the teacher": "points",
    "resamples not above the teacher": "resamples",
    "tokens": "token",
    "trained on this task's labels": "label",
    "weights, MiB": "MiB",
}
"""How the page writes a word otherwise."""
NUMBER = re.compile(r"^[\d,]+ ")


def explained(text: str) -> str:
    """What a header or a figure's name means; empty where it is no word of the glossary.

    It is looked for whole, then without its leading number (384 d), then up to its comma (Spearman, stsb/test).
    """
    for form in (text, NUMBER.sub("", text), text.partition(",")[0]):
        found = WORDS.get(FORMS.get(form, form))
        if found is not None:
            return found
    return ""


def explanations(texts: Iterable[str]) -> dict[str, str]:
    """Those of the texts that have one."""
    return {text: found for text in texts if (found := explained(text))}


def glossary_page() -> str:
    """docs/glossary.md."""
    said = "The words on the report's page and on the terminal. On the page each is explained where it stands."
    return "\n".join(
        ["# Words of the reports", "", said, "", *(f"- **{word}**: {what}" for word, what in WORDS.items()), ""]
    )


if __name__ == "__main__":
    sys.stdout.write(glossary_page())
