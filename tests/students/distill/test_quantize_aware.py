from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.training.training import Training
from export.graphs.to_onnx import export_encoder
from export.quantize.block_quantize import quantize_blocks
from export.quantize.quantize_settings import BlockQuantizeSettings, RowQuantizeSettings
from export.quantize.row_quantize import quantize_rows
from export.serve.session import open_session
from students.distill.distill_settings import QuantizeAwareSettings
from students.distill.quantize_aware import Rounding, fine_tune_rounded, rounded
from tests.students.conftest import Topics
from tests.tiny_models import tiny_encoder

HALVES = Rounding(4, 16, 4, 16, activations=False)


def texts_of(topics: Topics) -> list[str]:
    return list(dict.fromkeys(text for pair in topics.pairs for text in pair))


def in_onnx(graph: Path, encoder: SentenceEncoder, texts: list[str]) -> np.ndarray:
    ids, mask = padded(encoder.tokenize(texts), int(encoder.tokenizer.pad_token_id))
    feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    return np.asarray(open_session(graph, threads=1).run(["sentence_embedding"], feed)[0])


@pytest.mark.parametrize("kind", ["bert", "mpnet", "distilbert"])
def test_it_rounds_as_a_graph_with_a_scale_a_row_does(kind: str, train: Topics, tmp_path: Path) -> None:
    encoder, texts = tiny_encoder(kind), texts_of(train)[:8]
    export_encoder(encoder, tmp_path / "fp32.onnx")
    quantize_rows(tmp_path / "fp32.onnx", tmp_path / "rows.onnx", RowQuantizeSettings(tables="int8"))
    exported, whole = in_onnx(tmp_path / "rows.onnx", encoder, texts), encoder.encode(texts)
    with rounded(encoder, Rounding(8, None, 8, None, activations=True, largest=64)):
        ours = encoder.encode(texts)
    assert np.abs(ours - exported).max() < 0.2 * np.abs(whole - exported).max()


def test_it_rounds_as_a_graph_with_a_scale_a_block_does(train: Topics, tmp_path: Path) -> None:
    encoder, texts = tiny_encoder(), texts_of(train)[:8]
    export_encoder(encoder, tmp_path / "fp32.onnx")
    how = BlockQuantizeSettings(block=16, accuracy_level=1, rounding="nearest")
    quantize_blocks(tmp_path / "fp32.onnx", tmp_path / "blocks.onnx", 4, how)
    exported, whole = in_onnx(tmp_path / "blocks.onnx", encoder, texts), encoder.encode(texts)
    with rounded(encoder, HALVES):
        ours = encoder.encode(texts)
    assert np.abs(ours - exported).max() < 0.05 * np.abs(whole - exported).max()


def test_the_float32_weights_come_back(train: Topics) -> None:
    encoder = tiny_encoder()
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    with rounded(encoder, HALVES):
        encoder.encode(texts_of(train)[:4])
    after = encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(weight.equal(after[name]) for name, weight in before.items())


def test_fine_tuning_brings_the_rounded_vectors_nearer(train: Topics, tmp_path: Path) -> None:
    encoder, texts = tiny_encoder(), texts_of(train)
    given = encoder.backbone.encoder.layer[0].output.dense.weight.clone()
    vectors = encoder.encode(texts)
    settings = QuantizeAwareSettings(steps=60, batch_size=16, learning_rate=2e-3)
    tuned, before, after = fine_tune_rounded(encoder, texts, vectors, HALVES, Training(tmp_path, settings, 0))
    assert 1 - after < 0.8 * (1 - before)
    assert given.equal(encoder.backbone.encoder.layer[0].output.dense.weight), "the given encoder is not changed"
    held = texts[-len(texts) // 10 :]
    with rounded(tuned, HALVES):
        cosines = (tuned.encode(held) * encoder.encode(held)).sum(axis=1)
    assert cosines.mean() > before


def test_what_does_not_help_is_not_taken(train: Topics, tmp_path: Path) -> None:
    encoder, texts = tiny_encoder(), texts_of(train)
    settings = QuantizeAwareSettings(steps=4, batch_size=16, learning_rate=0.5)
    tuned, before, after = fine_tune_rounded(
        encoder, texts, encoder.encode(texts), HALVES, Training(tmp_path, settings, 0)
    )
    assert tuned is encoder
    assert after == before


def test_too_few_texts(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    with pytest.raises(InputError, match="quantize_aware: 3 texts are fewer than two batches of 64"):
        fine_tune_rounded(
            encoder,
            ["a", "b", "c"],
            np.zeros((3, 32), np.float32),
            HALVES,
            Training(tmp_path, QuantizeAwareSettings(), 0),
        )
