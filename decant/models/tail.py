"""What stands between the pooled vector and the answer: sentence-transformers' Dense, LayerNorm and Normalize.

Each is a part of the chain that modules.json lists. Dense and Normalize may also stand before the pooling, on every
token's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from decant.errors import InputError, one_line
from decant.files import write_json
from decant.models.folder_files import CONFIG, WEIGHTS
from decant.models.parts import Part, config_of, out_width


class Tail(nn.ModuleList):
    """Parts in their order.

    Args:
        parts: what each is.
    """

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        super().__init__(_module(part) for part in parts)
        self.parts = tuple(parts)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [..., width] → [..., `out_width`]."""
        for module in self:
            vectors = module(vectors)
        return vectors

    def out_width(self, width: int) -> int:
        """Width of what it gives for vectors of this width."""
        return out_width(self.parts, width)

    @classmethod
    def load(cls, parts: Sequence[Part]) -> Tail:
        """With the weights that lie in the parts' folders, in float32.

        Raises:
            InputError: weights are missing, damaged, or of another shape.
        """
        tail = cls(parts)
        for module, part in zip(tail, parts, strict=True):
            if part.folder is None or not module.state_dict():
                continue
            path = part.folder / WEIGHTS
            try:
                module.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
            except (OSError, SafetensorError, RuntimeError) as error:
                raise InputError(
                    f"{path}: the weights of its {part.kind} module cannot be read ({one_line(error)})"
                ) from error
        return tail

    def save(self, folder: Path, first: int, *, on_tokens: bool = False) -> list[dict[str, object]]:
        """Write each part's folder, `2_Dense` and the like, and give the entries of modules.json.

        Args:
            first: the number of the first part in modules.json.
            on_tokens: they stand before the pooling.
        """
        entries: list[dict[str, object]] = []
        for number, (module, part) in enumerate(zip(self, self.parts, strict=True), start=first):
            place = f"{number}_{part.kind}"
            stated = config_of(part) | ({"module_input_name": "token_embeddings"} if on_tokens else {})
            write_json(folder / place / CONFIG, stated, ascii_only=True)
            weights = {name: weight.detach().cpu().contiguous() for name, weight in module.state_dict().items()}
            if weights:
                save_file(weights, folder / place / WEIGHTS)
            entries.append(
                {
                    "idx": number,
                    "name": str(number),
                    "path": place,
                    "type": f"sentence_transformers.models.{part.kind}",
                }
            )
        return entries


class _Dense(nn.Module):
    def __init__(self, part: Part) -> None:
        super().__init__()
        self.linear = nn.Linear(part.in_features, part.out_features, bias=part.bias)
        self.activation_function = getattr(nn, part.activation)()
        self.adds = part.residual
        if part.residual and part.in_features != part.out_features:
            self.residual = nn.Linear(part.in_features, part.out_features, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        found = self.activation_function(self.linear(vectors))
        if not self.adds:
            return torch.as_tensor(found)
        return torch.as_tensor(found + (self.residual(vectors) if hasattr(self, "residual") else vectors))


class _LayerNorm(nn.Module):
    def __init__(self, part: Part) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(part.in_features)

    def forward(self, vectors: Tensor) -> Tensor:
        return torch.as_tensor(self.norm(vectors))


class _Normalize(nn.Module):
    def forward(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors, dim=-1)


def _module(part: Part) -> nn.Module:
    if part.kind == "Dense":
        return _Dense(part)
    return _LayerNorm(part) if part.kind == "LayerNorm" else _Normalize()
