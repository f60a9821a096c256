"""DSE's head: two sentence vectors → logits, cheap enough to run against every candidate.

Barkan et al. 2020, section 3: Linear → ReLU → Linear on [u; v; u⊙v; |u−v|]. The first Linear stands as four
blocks, so that W_u u and W_v v are computed once a sentence and only the two mixed terms once a pair.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS, SHAPE = "comparator.safetensors", "comparator.json"


class Comparator(nn.Module):
    """[u; v; u⊙v; |u−v|] → `hidden` → `outputs` logits.

    Args:
        dim: width of u and v.
        outputs: 1 for regression and binary, C for classes.
    """

    def __init__(self, dim: int, outputs: int, hidden: int = 512) -> None:
        super().__init__()
        self.dim, self.outputs, self.hidden = dim, outputs, hidden
        self.scale = dim**0.5  # unit vectors come in; DSE's features have entries of about 1
        whole = nn.Linear(4 * dim, hidden)
        blocks = whole.weight.detach().split(dim, dim=1)
        self.from_first = nn.Linear(dim, hidden)
        self.from_second, self.from_product, self.from_difference = (
            nn.Linear(dim, hidden, bias=False) for _ in range(3)
        )
        with torch.no_grad():
            self.from_first.bias.copy_(whole.bias)
            layers = (self.from_first, self.from_second, self.from_product, self.from_difference)
            for layer, block in zip(layers, blocks, strict=True):
                layer.weight.copy_(block)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Logits, float [batch, outputs], of u and v, each float [batch, dim]; not symmetric in them."""
        return self.compare(self.project_first(u), self.project_second(v), u, v)

    def project_first(self, u: Tensor) -> Tensor:
        """A first sentence's share of the hidden layer, [batch, hidden]; cache it a sentence."""
        return self.from_first(u * self.scale)

    def project_second(self, v: Tensor) -> Tensor:
        """A second sentence's share of the hidden layer, [batch, hidden]; cache it a sentence."""
        return self.from_second(v * self.scale)

    def compare(self, first: Tensor, second: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """The same from cached projections, each [batch, hidden] (or broadcast to it)."""
        product, difference = u * v * self.scale**2, (u - v).abs() * self.scale
        mixed = first + second + self.from_product(product) + self.from_difference(difference)
        return self.output(torch.relu(mixed))

    def save(self, folder: Path) -> None:
        """Weights and shape beside an encoder."""
        save_file({name: weight.contiguous() for name, weight in self.state_dict().items()}, folder / WEIGHTS)
        shape = {"dim": self.dim, "outputs": self.outputs, "hidden": self.hidden}
        (folder / SHAPE).write_text(json.dumps(shape) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Comparator:
        """The head that `save` wrote into this folder."""
        comparator = cls(**json.loads((folder / SHAPE).read_text(encoding="utf-8")))
        comparator.load_state_dict(load_file(folder / WEIGHTS))
        return comparator.eval()
