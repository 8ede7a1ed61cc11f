"""A Hugging Face encoder in the place of our layers: its pieces in, states of our words out.

The trunk reads the text in the pieces of its own tokenizer (`model.respelling`). The state of a
word is the mean over its pieces, brought to our width, plus the word as we spell it: a word that
the trunk's tokenizer drops (a line break, for T5) or does not know (``<fn>``) is seen too.

Legend: C chunks that the trunk reads, L pieces of a chunk, P pairs of piece and word; else as in
`model.layers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from codemtl.errors import MissingExtraError, ModelError
from codemtl.model.config import ModelConfig, TrunkConfig
from codemtl.model.encoder import Words, real
from codemtl.model.layers import mean_by_slot, norm


class TrunkEncoder(Words):
    """See the module's docstring."""

    def __init__(self, config: ModelConfig, trunk: TrunkConfig) -> None:
        super().__init__(config)
        self.trunk = build(trunk)
        self.project = nn.Linear(int(self.trunk.config.hidden_size), config.width)
        self.norm = norm(config)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """States [B, T, D] and the mask [B, 1, 1, T]; ``trunk_*`` as `respelling` makes them."""
        x_BTD, mask = self.input_words(batch)
        ids_CL = batch["trunk_ids"]
        attended = real(batch["trunk_lengths"], ids_CL.shape[1]).long()
        pieces_CLD = self.trunk(input_ids=ids_CL, attention_mask=attended).last_hidden_state
        pieces_PD = pieces_CLD.flatten(0, 1).index_select(0, batch["trunk_piece"])
        pooled = mean_by_slot(pieces_PD, batch["trunk_slot"], x_BTD.shape[0] * x_BTD.shape[1])
        return self.norm(x_BTD + self.project(pooled).view_as(x_BTD)), mask

    def train(self, mode: bool = True) -> Self:
        """Dropout stays off in the trunk, as in our own layers: a run can be resumed exactly."""
        super().train(mode)
        self.trunk.eval()
        return self

    def apply(self, fn: Callable[[nn.Module], None]) -> Self:
        """The initialisation of the trunk is its own affair."""
        for name, child in self.named_children():
            if name != "trunk":
                child.apply(fn)
        fn(self)
        return self


def build(trunk: TrunkConfig) -> Any:
    """The trunk's module with weights of no meaning. Raises ModelError, MissingExtraError."""
    models = library()
    try:
        settings = models.AutoConfig.for_model(**trunk.architecture)
        return encoder_part(models.AutoModel.from_config(settings, dtype=torch.float32))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        kind = trunk.architecture["model_type"]
        raise ModelError(
            f"the installed transformers cannot build the encoder of type {kind!r}: {error}"
        ) from error


def encoder_part(model: Any) -> Any:
    """Of an encoder-decoder only the encoder, and never a pooler."""
    halves = [getattr(model, name, None) for name in ("encoder", "decoder")]
    if all(isinstance(half, nn.Module) for half in halves):
        model = model.get_encoder()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.eval()


def library() -> Any:
    """The transformers library, which only models with such a trunk need."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "train") from error
    return transformers
