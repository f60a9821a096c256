from __future__ import annotations

from pathlib import Path

import pytest

from export.serve import snippets
from export.serve.snippets import Tokens

ROOT = Path(__file__).parents[3]
TOKENS = Tokens('<"pad>', 1, {"query": 'ask "é": ', "document": "say: "})
PYTHON = {
    "plain": snippets.onnxruntime(),
    "prompts, GPU, comparator": snippets.onnxruntime(TOKENS, gpu_length=64, comparator=True),
    "threshold": snippets.onnxruntime(threshold=snippets.Threshold(0.71234, 0.826, "quora/test")),
    "comparator's threshold": snippets.onnxruntime(comparator=True, threshold=snippets.Threshold(-1.5, None, "a/b")),
    "elsewhere": snippets.onnxruntime_elsewhere('"a/b"'),
    "re-ranker": snippets.onnxruntime_reranker(TOKENS, "it's: ", 1),
    "re-ranker, classes": snippets.onnxruntime_reranker(TOKENS, "", 2, ("no", "yes")),
    "sentence-transformers": snippets.sentence_transformers(prompt="query", onnx=True),
    "cross-encoder": snippets.sentence_transformers_reranker(),
    "fastembed": snippets.fastembed("a", "MEAN", 384, TOKENS),
    "openvino": snippets.openvino(),
    "model2vec": snippets.model2vec(),
    "decant": snippets.decant_encoder(),
}


def test_the_documentation_shows_this_snippet() -> None:
    pages = [page for page in (ROOT / "docs" / "serve.md", ROOT / "README.md") if page.is_file()]
    assert f"```python\n{snippets.onnxruntime()}```" in pages[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("code", PYTHON.values(), ids=PYTHON.keys())
def test_python_compiles_and_its_lines_fit_a_page(code: str) -> None:
    compile(code, "snippet", "exec")
    assert max(map(len, code.splitlines())) <= 120


def test_a_threshold_is_applied_to_the_score_that_it_is_of() -> None:
    assert "cosine = vectors[0] @ vectors[1]\nsame = cosine >= 0.7123  # F1 0.83 on quora/test\n" in PYTHON["threshold"]
    assert PYTHON["comparator's threshold"].endswith("same = logits[:, 0] >= -1.5000\nprint(same)\n")
    assert "same" not in PYTHON["plain"]


def test_the_first_threshold_that_figures_state_is_taken() -> None:
    metrics = {"a/test": {"spearman": 0.8}, "b/test": {"threshold": 0.5, "f1": 0.75}, "c": {"threshold": 0.1}}
    assert snippets.Threshold.stated(metrics) == snippets.Threshold(0.5, 0.75, "b/test")
    assert snippets.Threshold.stated({"a/test": {"spearman": 0.8}, "note": "none"}) is None


def test_pads_and_prompts_are_the_artifacts() -> None:
    code = PYTHON["prompts, GPU, comparator"]
    assert 'tokenizer.enable_padding(pad_id=1, pad_token="<\\"pad>")' in code
    assert 'prompt = "ask \\"é\\": "  # query\n' in code
    assert "encode_batch([prompt + text for text in texts])" in code
    chosen = Tokens(prompts=TOKENS.prompts, default_prompt="document")
    assert 'prompt = "say: "  # document\n' in snippets.onnxruntime(chosen)
    assert chosen.prompted == '"say: A man is playing a guitar."'
    assert Tokens().prompted == '"A man is playing a guitar."'
    assert "prompt" not in PYTHON["plain"]
