import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from export.serve import snippets
from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.card import CardFacts, model_card, onnx_example
from pipeline.report.rows import Report

FACTS = CardFacts(max_length=128)
WORDS = "[PAD] [UNK] A man is playing a guitar . Someone making music".split()


def front_matter(card: str) -> dict[str, object]:
    assert card.startswith("---\n")
    return dict(yaml.safe_load(card.split("---\n")[1]))


def test_front_matter_states_only_what_is_known(report: Report) -> None:
    known = front_matter(model_card(report, "L6xD384-int8", FACTS))
    assert known["library_name"] == "sentence-transformers"
    assert known["pipeline_tag"] == "sentence-similarity"
    assert not {"license", "base_model", "language"} & set(known)
    facts = CardFacts(max_length=128, base_model="org/a: b", license="mit", languages=("en",))
    told = front_matter(model_card(report, "L6xD384-int8", facts))
    assert (told["base_model"], told["license"], told["language"]) == ("org/a: b", "mit", ["en"])


def test_the_card_compares_the_artifact_and_leaves_other_artifacts_out(report: Report) -> None:
    card = model_card(report, "L6xD384-fp32", FACTS)
    assert "| **L6xD384-fp32** | **fp32** | **86.00 ±1.5** |" in card
    assert "| peer |" in card
    assert "L6xD384-int8" not in card
    assert "86.00 (95 % interval 84.00 to 87.00) holds for stsb/test, 1,379 examples" in card


def test_dependence_on_the_batch_is_printed_where_there_is_one(report: Report) -> None:
    dependent, independent = (model_card(report, name, FACTS) for name in ("L6xD384-int8", "L6xD384-fp32"))
    assert "in a mixed batch is 0.989660. **A text's vector depends a little on the batch" in dependent
    assert "the int8 figures below are those of `onnx/model.onnx`" in dependent
    assert "depends a little" not in independent
    assert "not quantized" not in independent


def test_the_comparators_figures_are_not_passed_off_as_the_cosines(report: Report) -> None:
    row = report.row("L6xD384-int8").model_copy(update={"form": "comparator"})
    card = model_card(report.model_copy(update={"rows": (row,)}), row.name, FACTS)
    assert "those of its comparator head" in card


def test_code_blocks_are_the_examples_and_compile(report: Report) -> None:
    card = model_card(report, "L6xD384-int8", FACTS)
    blocks = [part.split("```")[0] for part in card.split("```python\n")[1:]]
    assert blocks == [onnx_example(FACTS), snippets.sentence_transformers()]
    for block in blocks:
        compile(block, "card", "exec")


def test_a_folder_that_sentence_transformers_cannot_load_says_so(report: Report) -> None:
    facts = CardFacts(max_length=128, sentence_transformers=False, comparator=True)
    card = model_card(report, "L6xD384-int8", facts)
    assert "cannot load it" in card
    assert "SentenceTransformer(" not in card
    assert "onnx/comparator.onnx" in card
    compile(onnx_example(facts), "card", "exec")


def test_smaller_vectors_are_told_by_the_name_of_their_output(report: Report) -> None:
    assert "sentence_embedding_" not in model_card(report, "L6xD384-fp32", FACTS)
    card = model_card(report, "L6xD384-fp32", FACTS.model_copy(update={"vectors": ("binary",)}))
    assert "- `sentence_embedding_binary`: signs, a bit a dimension" in card
    assert "sentence_embedding_int8" not in card


def test_no_such_row(report: Report) -> None:
    with pytest.raises(KeyError, match="nothing"):
        model_card(report, "nothing", FACTS)


def test_the_onnx_example_runs_in_the_folder_and_prints_the_cosines(tmp_path: Path) -> None:
    table = tiny_artifact(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", onnx_example(FACTS)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    printed = np.array(done.stdout.replace("[", " ").replace("]", " ").split(), dtype=float).reshape(2, 2)
    sentences = ["A man is playing a guitar .", "Someone is making music ."]
    means = np.stack([table[[WORDS.index(word) for word in text.split()]].mean(0) for text in sentences])
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(printed, unit @ unit.T, atol=1e-4)


def test_a_graph_for_gpus_asks_for_what_the_machine_has_and_a_quantized_one_for_the_cpu() -> None:
    example = onnx_example(FACTS)
    assert '"CUDAExecutionProvider"' in example
    assert '"max": "128x128"' in example
    assert '"max": "128x64"' in onnx_example(FACTS.model_copy(update={"max_length": 64}))
    plain = onnx_example(FACTS.model_copy(update={"gpu": False}))
    assert 'providers=["CPUExecutionProvider"]' in plain
    assert "nvidia" not in plain


def tiny_artifact(folder: Path) -> np.ndarray:
    """Write a graph that looks tokens up and averages them to a unit vector; return its token table."""
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(0).normal(size=(len(WORDS), 4)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["last_hidden_state", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["sentence_embedding"], axis=-1, p=2),
    ]
    shape = ["batch", "length"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
        [
            helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 4]),
            helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", 4]),
        ],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([-1], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    (folder / "onnx").mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "onnx" / "model.onnx"))
    return table


def test_who_cannot_load_shared_maps_is_told_so(report: Report) -> None:
    row = report.row("L6xD384-fp32").model_copy(update={"sharing": "2–4 | 6–8"})
    facts = CardFacts(max_length=128, sentence_transformers=False)
    card = model_card(report.model_copy(update={"rows": (row,)}), row.name, facts)
    assert "Layers 2–4 and 6–8, counted from 0, compute one attention map each group" in card
    assert "a model type that transformers and sentence-transformers do not know and refuse" in card
    assert "SentenceTransformer(" not in card
    assert "no pooling like" not in card


def test_a_threshold_stands_on_the_card_and_in_its_code(report: Report) -> None:
    measured = SetMetrics(
        metric="f1", examples=80, f1=0.83, accuracy=0.9, precision=0.8, recall=0.862, threshold=0.71234,
        ci95=(0.8, 0.85),
    )  # fmt: skip
    row = report.row("L6xD384-fp32").model_copy(update={"metrics": {"quora/test": measured}})
    card = model_card(report.model_copy(update={"rows": (row,), "selected": None}), row.name, FACTS)
    assert "same = cosine >= 0.7123  # F1 0.83 on quora/test" in card
    assert (
        "A score of 0.7123 or more means class 1: chosen on the development pairs, it has precision 80.00, recall "
        "86.20 and F1 83.00 on quora/test."
    ) in card


def test_agreement_is_called_so(report: Report) -> None:
    row = report.row("L6xD384-fp32")
    agreed = row.metrics["stsb/test"].model_copy(update={"texts": 50})
    row = row.model_copy(update={"metrics": {"stsb/agreement": agreed}})
    card = model_card(report.model_copy(update={"rows": (row,), "selected": None}), row.name, FACTS)
    assert "It is agreement with the teacher on pairs of held-back texts: no labels." in card
    assert "It is agreement with the teacher" not in model_card(report, row.name, FACTS)
