"""Artifacts and models: manifests, folders of configs, and the texts that are encoded."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from decant.models.encoder import SentenceEncoder
from decant.models.folder_files import SETTINGS, WEIGHTS
from export.artifact.manifest import MANIFEST, read_manifest, verify_artifact
from export.serve.session import OnnxEncoder
from export.serve.static_session import StaticSession
from pipeline.cli.encode_verb import encode_lines
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.fuzz.bounds import works_or_refuses
from tests.fuzz.mutate import BAD_TEXT, changed, spoiled
from tests.fuzz.reports import JSON_BITS
from tests.fuzz.target import Target
from tests.tiny_tables import tiny_static

TEXTS = (
    "man",
    "the",
    "\0",
    "\ud800",
    "\udfff",
    "\U0010ffff",
    "🧑‍🤝‍🧑",
    "e\u0301" * 50,
    "\u202e",
    "[PAD]",
    "[CLS]",
    "##ing",
    "\ufdfa",
)
PARTS = [
    "config.json", "tokenizer_config.json", "tokenizer.json", "modules.json", "sentence_bert_config.json",
    "1_Pooling/config.json", "decant_encoder.json",
]  # fmt: skip


def artifact_targets(place: Path, artifact: Path) -> list[Target]:
    """Targets that write into `place`; `artifact` is a real one, and is not changed."""
    folder = Path(shutil.copytree(artifact, place / "artifact"))
    encoder = OnnxEncoder(artifact, 1)
    good: dict[str, Any] = json.loads((artifact / MANIFEST).read_text(encoding="utf-8"))

    def manifest(content: Any) -> None:
        written = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / MANIFEST).write_bytes(written)
        works_or_refuses(read_manifest, folder)
        works_or_refuses(verify_artifact, folder)

    def listed(paths: dict[str, str]) -> None:
        manifest(good | {"sha256": good["sha256"] | paths})

    def encode(texts: list[str]) -> None:
        vectors = works_or_refuses(encoder.encode, texts)
        assert (vectors is None) == any("\ud800" <= char <= "\udfff" for text in texts for char in text)
        if vectors is not None:
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)

    def lines(content: bytes) -> None:
        out = io.BytesIO()
        works_or_refuses(encode_lines, artifact, io.BytesIO(content), out, "npy", 32, 1)

    text = st.one_of(
        st.text(max_size=40), st.lists(st.sampled_from(TEXTS), max_size=5).map(" ".join), st.sampled_from(BAD_TEXT)
    )
    paths = st.dictionaries(st.one_of(st.sampled_from(BAD_TEXT), st.text(max_size=5)), st.just("0" * 64), max_size=2)
    content = spoiled([json.dumps(good).encode()], JSON_BITS)
    long = ["man " * 100_000, "x" * 500_000, "\u0301" * 100_000]
    return [
        Target("manifest", changed(good), manifest, (), 100, 300),
        Target("manifest, bytes", content, manifest, [b"[" * 10**5], 100, 300),
        Target("manifest, paths", paths, listed, [{"../../etc/passwd": "0" * 64}], 50, 150),
        Target("encode", st.lists(text, max_size=4), encode, [["a", "\ud800"], [], [""], long], 150, 500),
        Target("encode, bytes", spoiled([b"a man\nthe dog\n"]), lines, [b"\n", b""], 10, 10),
    ]


def model_target(place: Path, model: Path) -> Target:
    """A model folder, any of whose JSON files is changed."""
    folder = Path(shutil.copytree(model, place / "model"))
    SentenceEncoder.load(folder).save(folder)
    contents = {part: json.loads((folder / part).read_text(encoding="utf-8")) for part in PARTS}

    def use(given: tuple[str, Any]) -> None:
        part, content = given
        (folder / part).write_text(json.dumps(content), encoding="utf-8")
        try:
            encoder = works_or_refuses(SentenceEncoder.load, folder)
            if encoder is not None:
                works_or_refuses(encoder.encode, ["a man", ""])
            works_or_refuses(CrossEncoder.load, folder, (1,))
        finally:
            (folder / part).write_text(json.dumps(contents[part]), encoding="utf-8")

    one = st.sampled_from(PARTS).flatmap(lambda part: st.tuples(st.just(part), changed(contents[part])))
    return Target("model folder", one, use, KEPT_MODELS, 20, 20)


def static_targets(place: Path) -> list[Target]:
    """A static student's folder, any of whose JSON files is changed, or whose table's bytes are."""
    folder = tiny_static(place / "static", "int8")
    parts = ["config.json", "tokenizer_config.json", "tokenizer.json", "sentence_bert_config.json", SETTINGS]
    contents = {part: json.loads((folder / part).read_text(encoding="utf-8")) for part in parts}
    table = (folder / WEIGHTS).read_bytes()

    def use() -> None:
        session = works_or_refuses(StaticSession, folder, 1)
        if session is not None:
            vectors = works_or_refuses(session.encode, ["a man", "", "é [CLS]", "zebra " * 50])
            assert vectors is None or np.isfinite(vectors).all()

    def changed_part(given: tuple[str, Any]) -> None:
        part, content = given
        (folder / part).write_text(json.dumps(content), encoding="utf-8")
        try:
            use()
        finally:
            (folder / part).write_text(json.dumps(contents[part]), encoding="utf-8")

    def changed_table(content: bytes) -> None:
        (folder / WEIGHTS).write_bytes(content)
        try:
            use()
        finally:
            (folder / WEIGHTS).write_bytes(table)

    one = st.sampled_from(parts).flatmap(lambda part: st.tuples(st.just(part), changed(contents[part])))
    kept = [table[:40], b"", table + b"x", b"\xff" * 8 + table[8:]]
    return [
        Target("static student", one, changed_part, [("config.json", []), ("tokenizer.json", {})], 100, 300),
        Target("static student, bytes", spoiled([table], JSON_BITS), changed_table, kept, 100, 300),
    ]


KEPT_MODELS: list[tuple[str, Any]] = [
    ("decant_encoder.json", []),
    ("modules.json", {}),
    ("sentence_bert_config.json", {"max_seq_length": "x"}),
]
