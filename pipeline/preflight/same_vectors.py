"""A loaded embedding model beside sentence-transformers, on a few texts, before any long work is built on it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from decant.content_keys import content_key
from decant.errors import GateError
from decant.files import read_object, write_json
from decant.models.backbone import quiet_transformers
from decant.models.embedder import load_embedder
from decant.models.encoder import SentenceEncoder
from decant.models.folder_files import MODULES, OWN_CONFIG
from decant.models.prompts import Prompts, PromptText, prompted
from decant.models.quantized import quiet_bitsandbytes
from decant.models.reference import model_digest, resolve_model
from decant.models.shared_config import is_shared
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import student_prompts, teacher_prompts
from pipeline.run_dir import RunDir
from pipeline.screen.console import Screen
from pipeline.texts.load import Texts
from pipeline.texts.sentences import first_texts

LEAST_COSINE = 0.9999
TEXTS = 8
HELD = "same_vectors.json"


def hold_to_peer(recipe: Recipe, base: Path, texts: Texts, run_dir: RunDir, screen: Screen) -> None:
    """Compare the recipe's embedding teachers, and a student that came trained, as they are; once a model and run.

    Raises:
        GateError: one of them gives other vectors here than in sentence-transformers.
    """
    models: dict[Path, Prompts] = {}
    for teacher in recipe.embedding.teachers if recipe.embedding is not None else ():
        folder = resolve_model(teacher.model, base)
        models[folder] = teacher_prompts(recipe, folder)
    if recipe.student.trained:
        models[resolve_model(recipe.student.model, base)] = student_prompts(recipe, base)
    path = run_dir.root / HELD
    held = read_object(path) if path.is_file() else {}
    some = [text for split in (texts.train, texts.test) for pair in split.pairs[:TEXTS] for text in pair]
    if not some and recipe.embedding is not None:
        some = first_texts(recipe.embedding.sentences, base, TEXTS)
    for folder, prompts in models.items():
        name = f"{model_digest(folder)}-{content_key(*prompts.texts.values()).hex()[:12]}"
        if name in held or not can_compare(folder):
            continue
        least = check_same_vectors(folder, some, prompts)
        screen.say(f"{folder.name}: the vectors of sentence-transformers, least cosine {least:.6f}")
        held[name] = least
        write_json(path, held, indent=1, ascii_only=True)


def can_compare(folder: Path) -> bool:
    """Whether sentence-transformers is installed and has a way of loading the folder."""
    own_pooling = (folder / OWN_CONFIG).is_file() and not (folder / MODULES).is_file()
    return importlib.util.find_spec("sentence_transformers") is not None and not own_pooling and not is_shared(folder)


def check_same_vectors(folder: Path, texts: Sequence[str], prompts: Prompts | None = None) -> float:
    """The least cosine of our vectors to those of sentence-transformers, both in float32.

    Each text is encoded alone, behind the default prompt and behind each other one.

    Args:
        folder: of the model, as it is before the run does anything to it.
        texts: some of the recipe's; the first few distinct ones are taken.
        prompts: in place of the folder's.

    Raises:
        GateError: a cosine is below 0.9999; it names the folder and the first part of it that differs.
    """
    own = load_embedder(folder)
    peer = _peer(folder)
    asked = prompts if prompts is not None else own.prompts
    chosen = list(dict.fromkeys(text for text in texts if text.strip()))[:TEXTS]
    least = 1.0
    for prompt in dict.fromkeys([asked.of(None), *asked.texts.values()]):
        for text in chosen:
            expected = np.asarray(peer.encode([text], prompt=prompt, show_progress_bar=False)[0], np.float64)
            found = own.encode([text], prompt=PromptText(prompt))[0].astype(np.float64)
            length = float(np.linalg.norm(expected))
            cosine = float(found @ expected) / length if length else float(not found.any())
            if not cosine >= LEAST_COSINE:
                raise GateError(
                    f"{folder}: of {text[:60]!r} the vector here has cosine {cosine:.6f} to that of "
                    f"sentence-transformers, and {LEAST_COSINE} is the least that is accepted; "
                    f"{_first_difference(own, peer, prompt + text)}; give another model, and report this one"
                )
            least = min(least, cosine)
    return least


def _peer(folder: Path) -> Any:
    quiet_bitsandbytes()  # which it imports through peft, where both are installed
    from sentence_transformers import SentenceTransformer

    with quiet_transformers():
        return SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        )  # fmt: skip


@torch.inference_mode()
def _first_difference(own: object, peer: Any, text: str) -> str:
    """The first part of the road from the text to its vector that differs."""
    if not isinstance(own, SentenceEncoder):
        return "which part differs is told of models of one road through a transformer alone"
    own.eval()
    features = peer.preprocess([text])
    ids = own.tokenize(prompted([text], ""))[0]
    given = features["input_ids"][0].tolist()
    if given != ids:
        return f"the tokenizers differ: {len(ids)} tokens here, {len(given)} there, such as {_other(ids, given)}"
    row, mask = torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64)
    states = own.backbone(input_ids=row, attention_mask=mask).last_hidden_state
    features = peer[0](features)
    if _far(states, features.get("token_embeddings")):
        return "the transformers differ: the tokens are the same, their states are not"
    return f"the modules behind the transformer differ: {own.pooling} pooling and {len(own.tail)} parts here"


def _other(ids: Sequence[int], given: Sequence[int]) -> str:
    place = next((n for n, (a, b) in enumerate(zip(ids, given, strict=False)) if a != b), min(len(ids), len(given)))
    pair = [str(row[place]) if place < len(row) else "none" for row in (ids, given)]
    return f"{pair[0]} and {pair[1]} at place {place}"


def _far(states: torch.Tensor, others: torch.Tensor | None) -> bool:
    if others is None or others.shape != states.shape:
        return True
    return float(torch.nn.functional.cosine_similarity(states, others, dim=-1).min()) < LEAST_COSINE
