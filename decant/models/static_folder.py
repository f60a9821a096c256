"""The folder of a static student, as model2vec, sentence-transformers and Decant read it."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from decant.files import write_json
from decant.models.folder_files import CONFIG, TOKENIZER, WEIGHTS
from decant.models.static_backbone import StaticBackbone


def save_static_model(
    backbone: StaticBackbone, dim: int, tokenizer: PreTrainedTokenizerFast, max_length: int, folder: Path
) -> None:
    """Write the table's first `dim` columns, model2vec's config, and a tokenizer.json that cuts texts at max_length."""
    backbone.fold()
    table = backbone.embeddings.weight.detach().cpu()[:, :dim].contiguous()
    save_file({"embeddings": table}, folder / WEIGHTS)
    tokenizer.backend_tokenizer.enable_truncation(max_length)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    stated = {
        "model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True, "max_length": max_length,
        "hidden_dim": dim, "hidden_size": dim, "vocab_size": len(table), "num_hidden_layers": 0,
        "embedding_dtype": "float32",
    }  # fmt: skip
    write_json(folder / CONFIG, stated)
