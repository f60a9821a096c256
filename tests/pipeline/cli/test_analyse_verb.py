from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from transformers import FNetConfig, FNetModel, LlamaConfig, LlamaForCausalLM

from decant.errors import InputError
from pipeline.cli.analyse_verb import sharing_settings
from tests.tiny_models import HEADS, LAYERS, WORDS, tiny_backbone_folder, tiny_tokenizer
from tests.tiny_runs import Said, decant, write_tsv

LENGTH = 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_backbone_folder(tmp_path_factory.mktemp("models"))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 9)) for _ in range(40)]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join([*lines[:20], "", *lines[20:]]) + "\n", encoding="utf-8")
    return path


def analyse(model: object, texts: Path, *options: object) -> Said:
    return decant("analyse", model, "--texts", texts, "--length", LENGTH, *options)


def test_table_json_and_picture(model: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    said = analyse(model, texts, "--threshold", "-1", "--out", out)
    assert said.code == 0, said.err
    written = json.loads((out / "attention.json").read_text())
    assert (written["inputs"], written["length"], written["causal"]) == (20, LENGTH, False)
    assert np.shape(written["attention"]) == (LAYERS, LAYERS)
    assert np.shape(written["attention_matched"]) == (LAYERS, LAYERS)
    assert np.shape(written["attention_heads"]) == (HEADS, LAYERS, LAYERS)
    assert written["groups"] == [[1, 2]]
    assert written["saved_parameters"] == 2 * (32 * 32 + 32)
    rows = [line.split() for line in said.text.splitlines()[1 : 1 + LAYERS]]
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert [row[1] for row in rows] == ["–", *(f"{written['attention'][i][i + 1]:.3f}" for i in range(LAYERS - 1))]
    assert [row[2] for row in rows] == [
        "–", *(f"{written['attention_matched'][i][i + 1]:.3f}" for i in range(LAYERS - 1)),
    ]  # fmt: skip
    assert "that of 1" in said.text.splitlines()[3]
    assert "groups: [[1, 2]]" in said.text
    assert "3 of 4 maps to compute" in said.text
    assert matplotlib.image.imread(out / "attention.png").shape[1] == 1600


def test_json_is_the_written_one_and_the_limit_is_kept(model: Path, texts: Path, tmp_path: Path) -> None:
    said = analyse(model, texts, "--json", "--out", tmp_path / "out", "--limit", 3)
    assert said.json() == json.loads((tmp_path / "out" / "attention.json").read_text())
    assert said.json()["inputs"] == 3
    assert said.json()["sharing"] == {"longest": 4, "free_first": 1, "free_last": 1, "of": "parameters"}
    assert said.err == ""


def test_no_group_names_the_nearest_neighbours(model: Path, texts: Path) -> None:
    said = analyse(model, texts, "--threshold", 1)
    assert said.code == 0
    assert "No group: the most alike neighbours that may share are 1 and 2 at 0." in said.text
    assert "and --threshold is 1." in said.text


def test_a_decoder_needs_no_padding_token(texts: Path, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = None
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, max_position_embeddings=64, pad_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    said = analyse(tmp_path / "llama", texts, "--save", "0.001", "--json")
    assert said.code == 2  # one inner layer alone is free
    assert "sharing cannot save 0.1 % of parameters: the most is 0.00 %" in said.err
    said = analyse(tmp_path / "llama", texts, "--json")
    assert (said.code, said.json()["causal"]) == (0, True), said.err


def test_local_and_global_layers_are_told_apart(texts: Path, tmp_path: Path) -> None:
    said = analyse(tiny_backbone_folder(tmp_path, "modernbert"), texts, "--threshold", "-1")
    assert said.code == 0, said.err
    assert [line.split()[1] for line in said.text.splitlines()[1:5]] == ["full", "sliding", "full", "sliding"]
    assert "No group: no two neighbouring layers are free to share, and --threshold is -1." in said.text


def test_a_column_of_a_table(model: Path, tmp_path: Path) -> None:
    table = write_tsv(tmp_path / "t.tsv", [(" ".join(WORDS[i : i + 20]), "x", "1") for i in range(4)])
    assert analyse(model, table, "--column", "sentence1", "--json").json()["inputs"] == 4
    said = analyse(model, table)
    assert (said.code, len(said.lines)) == (2, 1)
    assert "no column 'text'; it has 'sentence1', 'sentence2', 'label'" in said.err


def test_a_table_whose_quoting_is_stated(model: Path, tmp_path: Path) -> None:
    text = " ".join(WORDS[:20])
    table = write_tsv(tmp_path / "t.tsv", [(f'"{text}"', "x", "1"), (f'"{text} man"', "x", "1")])
    asked = ["--column", "sentence1", "--json"]
    said = analyse(model, table, *asked)
    assert (said.code, len(said.lines)) == (2, 1)
    assert "t.tsv, row 1: whole cells stand in quotes" in said.err
    assert [analyse(model, table, *asked, "--quoting", one).code for one in ("csv", "none")] == [0, 0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--quoting", "tabs"], "--quoting tabs: choose none or csv"),
        (["--quoting", "csv"], "texts.txt: quoting is of .tsv and .csv files; leave it out"),
        (["--length", 200], "--length 200 is outside 3..128, what "),
        (["--length", 128, "--limit", 1, "--threshold", 0.8, "--save", 0.1], "give threshold or save, not both"),
        (["--save", 0.9], "sharing cannot save 90 % of parameters: the most is "),
        (["--of", "bytes"], "--of bytes: Input should be 'parameters' or 'flops'"),
        (["--threshold", 2], "'--threshold'"),
        (["--out", __file__], "is a file; give a folder"),
    ],
)
def test_bad_options(options: list[object], expected: str, model: Path, texts: Path) -> None:
    said = analyse(model, texts, *options)
    assert (said.code, len(said.lines), said.out) == (2, 1, b""), said.err
    assert expected in said.err


def test_bad_texts_and_models(model: Path, texts: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("a dog\n", encoding="utf-8")
    (tmp_path / "file.md").write_text("a dog\n", encoding="utf-8")
    fnet = tmp_path / "fnet"
    tokenizer = tiny_tokenizer()
    FNetModel(FNetConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2)).save_pretrained(fnet)
    tokenizer.save_pretrained(fnet)
    for chosen, file, expected in (
        (model, short, f"{short}: all texts together have fewer than {LENGTH} tokens"),
        (model, tmp_path / "none.txt", "none.txt: no such file or folder"),
        (model, tmp_path / "file.md", "cannot read '.md'"),
        (fnet, texts, "model type 'fnet' is not among those that are followed"),
        ("nonsuch-model/./", texts, "no such folder"),
    ):
        said = analyse(chosen, file)
        assert (said.code, len(said.lines)) == (2, 1), said.err
        assert expected in said.err


def test_options_that_were_not_given_are_not_set() -> None:
    assert sharing_settings(threshold=None, save=0.1, of=None, longest=3).model_fields_set == {"save", "longest"}
    with pytest.raises(InputError, match="^--save 0.0: Input should be greater than 0$"):
        sharing_settings(save=0.0)
