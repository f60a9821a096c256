"""SentenceEncoder: a backbone, a pooling and what follows it; an embedding teacher, and what students are cut from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerFast

from decant.batches import padded, sorted_batches
from decant.errors import InputError
from decant.files import read_object, write_json
from decant.models.backbone import (
    check_token_types,
    class_of,
    layer_list,
    load_backbone,
    load_tokenizer,
    lower_cases,
    max_tokens,
    quiet_transformers,
)
from decant.models.folder_files import (
    CONFIG,
    EXIT_LAYERS,
    MODULES,
    NORMALIZE_FOLDER,
    OWN_CONFIG,
    POOLING_FOLDER,
    READING,
    SETTINGS,
)
from decant.models.layout import LEGACY_MODES, Chain, Layout, Similarity, read_layout
from decant.models.parts import Part
from decant.models.pooling import TOP_LAYERS, PoolingKind, pool, pooled_width, token_states
from decant.models.pooling_kind import CONCAT_TOP_MEAN, pooling_modes
from decant.models.prompts import Prompts, prompted
from decant.models.quantized import quantized_kind
from decant.models.reference import resolve_model
from decant.models.save_model import save_model
from decant.models.shared_config import read_config
from decant.models.static_backbone import StaticBackbone
from decant.models.static_encoder import static_table, static_tokenizer
from decant.models.table_folder import StaticTable, write_table_folder
from decant.models.tail import Tail

Progress = Callable[[int], None]


@dataclass(frozen=True)
class AroundPooling:
    """What stands around an encoder's pooling.

    Args:
        before: on each token's state, before the pooling.
        tail: on the pooled vector.
        prompts: what stands before a text, by its name.
        include_prompt: whether a prompt's tokens are pooled with the text's.
        unit: whether the model's own answer is of unit length; `encode` gives such vectors of every model.
        similarity: how the model's own answers are compared.
    """

    before: Tail = field(default_factory=Tail)
    tail: Tail = field(default_factory=Tail)
    prompts: Prompts = field(default_factory=Prompts)
    include_prompt: bool = True
    unit: bool = True
    similarity: Similarity = "cosine"


class SentenceEncoder(nn.Module):
    """Text → unit vector.

    Args:
        max_length: the most tokens a text may have, specials included.
        dim: output width, 1..`width`; fewer keeps the first dimensions.
        around: what stands around the pooling; default: nothing.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        pooling: PoolingKind = "mean",
        max_length: int = 128,
        dim: int | None = None,
        around: AroundPooling | None = None,
    ) -> None:
        super().__init__()
        if pooling == CONCAT_TOP_MEAN and backbone.config.num_hidden_layers < TOP_LAYERS - 1:
            raise InputError(f"pooling concat_top_mean needs {TOP_LAYERS - 1} layers or more, this encoder has fewer")
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.pooling: PoolingKind = pooling
        self.max_length = max_length
        around = around or AroundPooling()
        self.before, self.tail = around.before, around.tail
        self.prompts, self.include_prompt = around.prompts, around.include_prompt
        self.unit, self.similarity = around.unit, around.similarity
        if dim is not None and not 1 <= dim <= self.width:
            raise InputError(f"dim {dim} is outside 1..{self.width}, the width of this encoder's vectors")
        self.dim = dim or self.width
        self.exit_layers = nn.ModuleDict()
        self.masks: Callable[[Tensor], object] | None = None
        """Makes what the backbone takes in place of an attention mask, where a graph needs it made in another way."""

    def add_exit_layers(self, depths: Sequence[int]) -> None:
        """Give the exits at these depths a last layer of their own, for now a copy of the layer that stands there.

        An exit is the vector after that many layers. With a layer of its own it does not bend the shared one, which
        deeper layers read. The encoder itself runs as before; `cut` and `exits`
        of the students take these layers.

        Args:
            depths: 1..layers − 1, each once.

        Raises:
            InputError: another depth, one that is named twice, or pooling that reads several layers.
        """
        wrong = [depth for depth in depths if not 1 <= depth < self.layers]
        if wrong or len(set(depths)) < len(depths):
            raise InputError(f"exit layers at {list(depths)}: give depths of 1..{self.layers - 1}, each once")
        if depths and self.pooling == CONCAT_TOP_MEAN:
            raise InputError("pooling concat_top_mean reads several layers, so no exit can have a layer of its own")
        every = layer_list(self.backbone)[1] if depths else ()
        self.exit_layers = nn.ModuleDict({str(depth): copy.deepcopy(every[depth - 1]) for depth in sorted(depths)})

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return int(self.backbone.config.num_hidden_layers)

    @property
    def static(self) -> StaticBackbone | None:
        """The table of token vectors, of an encoder that has no layers."""
        return self.backbone if isinstance(self.backbone, StaticBackbone) else None

    @property
    def depths(self) -> tuple[int, ...]:
        """After how many layers it gives vectors: 1 to all of them; 0 alone where it has none."""
        return tuple(range(1, self.layers + 1)) or (0,)

    @property
    def hidden_size(self) -> int:
        """Width of the backbone's token states."""
        return int(self.backbone.config.hidden_size)

    @property
    def width(self) -> int:
        """Width of a vector before it is cut to `dim`."""
        pooled = pooled_width(self.before.out_width(self.hidden_size), self.pooling)
        return self.tail.out_width(pooled)

    @property
    def pools_last(self) -> bool:
        """Whether pooling the token states is all that makes the vector, so that cut states give the cut vector."""
        return not self.before.parts and not self.tail.parts and len(pooling_modes(self.pooling)) == 1

    def forward(self, input_ids: Tensor, attention_mask: Tensor, skipped: int = 0) -> tuple[Tensor, Tensor]:
        """Token states and unit sentence vectors [batch, dim], both float32.

        The states are [batch, length, dim] where `pools_last`, else the backbone's own, [batch, length, hidden].

        Args:
            input_ids: int64 [batch, length].
            attention_mask: int64 [batch, length], 1 for a token.
            skipped: how many tokens at the beginning of each text are not pooled.
        """
        states, vectors = self.raw(input_ids, attention_mask, skipped)
        return states, functional.normalize(vectors, dim=-1)

    def raw(self, input_ids: Tensor, attention_mask: Tensor, skipped: int = 0) -> tuple[Tensor, Tensor]:
        """As `forward`, with vectors of the length that the model gives them."""
        if self.static is not None:
            states = self.static(input_ids, attention_mask).last_hidden_state
            return states[..., : self.dim], self.static.sums(input_ids, attention_mask)[:, : self.dim]
        concat = self.pooling == CONCAT_TOP_MEAN
        seen: Any = attention_mask if self.masks is None else self.masks(attention_mask)
        output = self.backbone(input_ids=input_ids, attention_mask=seen, output_hidden_states=concat)
        states = token_states(output.hidden_states if concat else (output.last_hidden_state,), self.pooling)
        if self.pools_last:
            states = states[..., : self.dim]
            return states, pool(states, attention_mask, self.pooling, skipped)
        return states, self.pooled(states, attention_mask, skipped)[..., : self.dim]

    def pooled(self, states: Tensor, attention_mask: Tensor, skipped: int = 0) -> Tensor:
        """The vector that token states [batch, length, hidden] give, [batch, width], not cut and of any length."""
        vectors = pool(self.before(states), attention_mask, self.pooling, skipped)
        return torch.as_tensor(self.tail(vectors))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, specials included, cut at `max_length`; the padding token where there is none.

        A text gets the default prompt unless it is a `Prompted` one. The cut counts the prompt.
        """
        if not texts:
            return []
        given, padding = self.prompts.before(texts), [int(self.tokenizer.pad_token_id)]
        if self.static is not None:
            backend = self.tokenizer.backend_tokenizer
            backend.enable_truncation(self.max_length)
            backend.no_padding()
            rows = [one.ids or padding for one in backend.encode_batch_fast(list(given), add_special_tokens=False)]
            words = self.static.words
            return [[part for n in row for part in words.get(n, (n,))] for row in rows] if words else rows
        encoded = self.tokenizer(
            given, truncation=True, max_length=self.max_length, padding=False, return_attention_mask=False
        )
        return [row or padding for row in encoded["input_ids"]]

    def skipped_tokens(self, prompt: str) -> int:
        """How many tokens of a text behind this prompt are not pooled.

        As sentence-transformers counts them: those of the prompt alone, without a special one at its end.

        Raises:
            InputError: the prompt leaves no room for a text.
        """
        if self.include_prompt or not prompt:
            return 0
        ids = self.tokenize(prompted([""], prompt))[0]
        count = len(ids) - (ids[-1] in self.tokenizer.all_special_ids)
        if count >= self.max_length - 1:
            raise InputError(f"prompt {prompt[:60]!r} fills all {self.max_length} tokens of a text; raise max_length")
        return count

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Progress | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Vectors, float32 [texts, dim], in the order of the texts; batches are of like length.

        Args:
            prompt: a name of `prompts`, a `PromptText`, or "" for none; None: the default one.
            unit: of unit length; False: of the length that the model gives them.

        Raises:
            InputError: there is no such prompt.
        """
        before = self.prompts.given(prompt)
        skipped = self.skipped_tokens(before)
        given = texts if prompt is None else prompted(texts, before)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        ids = self.tokenize(given)
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        call = self if unit else self.raw
        for rows in sorted_batches([len(row) for row in ids], batch_size):
            input_ids, mask = padded([ids[row] for row in rows], int(self.tokenizer.pad_token_id))
            vectors[rows] = call(input_ids.to(device), mask.to(device), skipped)[1].float().cpu().numpy()
            if progress is not None:
                progress(len(rows))
        self.train(was_training)
        return vectors

    def for_cosine(self, prompts: Prompts | None = None) -> SentenceEncoder:
        """This encoder, its own answers of unit length and compared by cosine from now on, as a student's are.

        Args:
            prompts: in place of its own.
        """
        self.unit, self.similarity = True, "cosine"
        self.prompts = self.prompts if prompts is None else prompts
        self.include_prompt = self.include_prompt or not self.prompts.any
        return self

    def save(self, folder: Path) -> None:
        """Write safetensors, config, tokenizer, and the files that sentence-transformers loads a model by.

        `concat_top_mean` has no counterpart there: such a folder gets no modules.json, lest it be loaded wrongly.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if self.static is not None:
            write_table_folder(folder, self.table())
            return
        with quiet_transformers():
            save_model(self.backbone, folder)
            self.tokenizer.model_max_length = self.max_length
            self.tokenizer.save_pretrained(folder)
        # a tokenizer class that is made of its vocabulary alone forgets that step
        stated = {"max_seq_length": self.max_length, "do_lower_case": lower_cases(self.tokenizer)}
        write_json(folder / READING, stated)
        own: dict[str, object] = {"pooling": self.pooling, "dim": self.dim, "max_length": self.max_length}
        if len(self.exit_layers):
            own["exit_layers"] = [int(depth) for depth in self.exit_layers]
            weights = {
                name: weight.detach().cpu().contiguous() for name, weight in self.exit_layers.state_dict().items()
            }
            save_file(weights, folder / EXIT_LAYERS)
        write_json(folder / OWN_CONFIG, own)
        if self.pooling != CONCAT_TOP_MEAN:
            self._save_modules(folder)

    def table(self) -> StaticTable:
        """A static encoder as its folder holds it: float32 rows of `dim` numbers, with their learned scales in them."""
        assert self.static is not None
        self.static.fold()
        rows = self.static.embeddings.weight.detach().cpu()[:, : self.dim].numpy()
        return StaticTable.of(rows, self.tokenizer, self.max_length, self.prompts)

    def _save_modules(self, folder: Path) -> None:
        entries = [_entry(0, "Transformer", "")]
        entries += self.before.save(folder, len(entries), on_tokens=True)
        entries.append(_entry(len(entries), "Pooling", POOLING_FOLDER))
        write_json(folder / POOLING_FOLDER / CONFIG, self._pooling_config())
        entries += self.tail.save(folder, len(entries))
        if self.dim < self.width:
            entries += _cut_to(self.dim, self.width).save(folder, len(entries))
        if self.unit:
            entries.append(_entry(len(entries), "Normalize", NORMALIZE_FOLDER))
            write_json(folder / NORMALIZE_FOLDER / CONFIG, {})
        write_json(folder / MODULES, entries)
        write_json(
            folder / SETTINGS,
            {
                "prompts": dict(self.prompts.texts),
                "default_prompt_name": self.prompts.default,
                "similarity_fn_name": self.similarity,
            },
        )

    def _pooling_config(self) -> dict[str, object]:
        """For old and new readers: what is pooled as true and false values, and, where it is one mode, by its name."""
        modes = pooling_modes(self.pooling)
        width = self.before.out_width(self.hidden_size)
        stated: dict[str, object] = {key: mode in modes for key, mode in LEGACY_MODES.items()}
        stated |= {"word_embedding_dimension": width, "include_prompt": self.include_prompt}
        if len(modes) == 1:
            return stated | {"pooling_mode": modes[0]}
        in_old_order = list(modes) == [mode for mode in LEGACY_MODES.values() if mode in modes]
        return stated | ({} if in_old_order else {"pooling_mode": list(modes)})  # which old readers cannot read

    @classmethod
    def load(
        cls,
        reference: str | Path,
        max_length: int | None = None,
        pooling: PoolingKind | None = None,
        **options: Any,
    ) -> SentenceEncoder:
        """An encoder from a model reference, exactly as its folder says; pooling and length as given, where they are.

        It is in eval mode; `fit` sets what it trains to train mode.

        Args:
            max_length: tokens of a text; default: the folder's.
            pooling: another one than the folder's; what follows the folder's own pooling is left out then.
            options: `dropout`, `for_training` and `quantize` of `load_backbone`. A quantized encoder leaves out the
                exit layers of its own, which only a cut takes.

        Raises:
            InputError: the reference cannot be loaded or says what is not followed, or `max_length` is above what the
                model can take.
        """
        layout = read_layout(resolve_model(reference))
        if layout.chain.body.kind == "static":
            return cls._from_table(layout, max_length)
        return cls.from_chain(layout, layout.chain, max_length, pooling, **options)

    @classmethod
    def _from_table(cls, layout: Layout, max_length: int | None) -> SentenceEncoder:
        """One without layers, of a folder of sentence-transformers' StaticEmbedding."""
        place = layout.chain.body.folder
        kinds = [part.kind for part in layout.chain.after]
        if kinds not in ([], ["Normalize"]):
            raise InputError(
                f"{layout.folder}: a table of token vectors with {' and '.join(kinds)} behind it is only "
                "read; no student is made of it"
            )
        tokenizer = static_tokenizer(place)
        backbone = StaticBackbone.of(static_table(place, len(tokenizer)))
        around = AroundPooling(prompts=layout.prompts, similarity=layout.similarity)
        limit = max_length or int(tokenizer.model_max_length)
        return cls(backbone, tokenizer, "mean", limit, layout.dim, around).eval()

    @classmethod
    def from_chain(
        cls, layout: Layout, chain: Chain, max_length: int | None = None, pooling: PoolingKind | None = None,
        **options: Any,
    ) -> SentenceEncoder:  # fmt: skip
        """As `load`, of one chain of a folder."""
        place, own = chain.body.folder, _own_config(layout.folder)
        class_of(place, AutoModel, read_config(place))  # tells of a family that is not followed before all else
        tokenizer = load_tokenizer(place)
        limit = max_tokens(place, tokenizer)
        if max_length is not None and not 2 < max_length <= limit:
            raise InputError(f"max_length {max_length} is outside 3..{limit}, what {layout.folder} can take")
        backbone = load_backbone(place, AutoModel, **options)
        check_token_types(place, tokenizer)
        stated = own.pooling or chain.pooling
        chosen = pooling or stated
        kept = chosen == stated
        dim = (own.dim or layout.dim) if kept else None
        after = list(chain.after) if kept and own.pooling != CONCAT_TOP_MEAN else []
        unit = own.pooling == CONCAT_TOP_MEAN or not kept or bool(after) and after[-1].kind == "Normalize"
        while after and after[-1].kind == "Normalize":
            after.pop()
        around = AroundPooling(
            Tail.load(chain.before if kept else ()), _without_cut(Tail.load(after), own.dim), layout.prompts,
            chain.include_prompt, unit, layout.similarity,
        )  # fmt: skip
        encoder = cls(backbone, tokenizer, chosen, max_length or limit, dim, around)
        if own.exit_layers and quantized_kind(backbone) is None:
            encoder.add_exit_layers(own.exit_layers)
            _load_exit_layers(encoder, layout.folder / EXIT_LAYERS)
        return encoder.eval()


def check_transformer(layout: Layout) -> None:
    """Refuse a folder that is a table of token vectors.

    Raises:
        InputError: it is.
    """
    if layout.chain.body.kind == "static":
        raise InputError(
            f"{layout.folder} is a table of token vectors (StaticEmbedding) without layers; it can teach, but no "
            "student starts from it"
        )


def _cut_to(dim: int, width: int) -> Tail:
    """The cut to the first `dim` numbers as a Dense module with the first rows of the identity.

    sentence-transformers stores a `truncate_dim`, but only its later versions read it; this is the cut that every
    version loads.
    """
    cut = Tail([Part("Dense", None, width, dim, bias=False, activation="Identity")])
    cut.load_state_dict({"0.linear.weight": torch.eye(width)[:dim]})
    return cut


def _without_cut(tail: Tail, dim: int | None) -> Tail:
    """The tail without the Dense module by which other readers cut a vector to `dim`, which is cut here anyway."""
    if dim is None or not tail.parts or tail.parts[-1].kind != "Dense":
        return tail
    part, weight = tail.parts[-1], tail.state_dict().get(f"{len(tail) - 1}.linear.weight")
    plain = not part.bias and not part.residual and part.activation == "Identity" and part.out_features == dim
    if not plain or weight is None or not torch.equal(weight, torch.eye(part.in_features)[:dim]):
        return tail
    shorter = Tail(tail.parts[:-1])
    shorter.load_state_dict(
        {name: one for name, one in tail.state_dict().items() if int(name.split(".")[0]) < len(shorter)}
    )
    return shorter


def _entry(number: int, kind: str, place: str) -> dict[str, object]:
    return {"idx": number, "name": str(number), "path": place, "type": f"sentence_transformers.models.{kind}"}


class _OwnConfig(BaseModel, frozen=True):
    """What decant_encoder.json says."""

    pooling: PoolingKind | None = None
    dim: int | None = Field(None, ge=1)
    exit_layers: tuple[int, ...] = ()


def _own_config(folder: Path) -> _OwnConfig:
    path = folder / OWN_CONFIG
    if not path.is_file():
        return _OwnConfig()
    try:
        return _OwnConfig.model_validate(read_object(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; copy the model again") from error


def _load_exit_layers(encoder: SentenceEncoder, path: Path) -> None:
    try:
        encoder.exit_layers.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{path}: the exit layers that {OWN_CONFIG} names cannot be read from it; copy it again"
        ) from error
