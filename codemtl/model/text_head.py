"""A decoder that writes text while attending to the shared encoder, and its loss.

Two instances serve summarization and generation; both share the encoder's embedding as input and
output matrix (Press & Wolf 2017, arXiv:1608.05859).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.copying import Copying, Places, Recent, Source
from codemtl.model.layers import (
    CrossAttention,
    GatedFeedForward,
    SelfAttention,
    embed,
    norm,
    rotary_table,
)

ASKED_ROW, ASKED_PLACE = "asked_row", "asked_place"  # of a batch, as `training.packing` makes them
Cache = list[list[Tensor]]


class Memory(NamedTuple):
    """What a decoder attends to and copies from: one input a row, or one for all rows."""

    keys_values: list[tuple[Tensor, Tensor]]  # of the encoder states, for each layer
    mask: Tensor  # [B, 1, 1, T], true on words that are not padding
    source: Source | None = None  # what may be copied

    def row(self, index: int) -> Memory:
        """That of one input alone."""
        return self._each(lambda tensor: tensor[index : index + 1])

    def spread(self, rows: int) -> Memory:
        """One input seen as ``rows`` of them."""
        return self._each(lambda tensor: tensor.expand(rows, *tensor.shape[1:]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Memory:
        return Memory(
            [(change(keys), change(values)) for keys, values in self.keys_values],
            change(self.mask),
            None if self.source is None else Source(*map(change, self.source)),
        )


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the encoder, feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_norm = norm(config)
        self.self_attention = SelfAttention(config)
        self.cross_norm = norm(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward_norm = norm(config)
        self.feed_forward = GatedFeedForward(config)

    def forward(
        self,
        x_BUD: Tensor,
        table: tuple[Tensor, Tensor],
        memory: tuple[Tensor, Tensor],
        memory_mask: Tensor,
        cache: list[Tensor] | None = None,
    ) -> Tensor:
        """``memory`` are this layer's keys and values of the encoder states."""
        mask = None if cache is not None else _causal_mask(x_BUD)
        x_BUD = x_BUD + self.self_attention(self.self_norm(x_BUD), table, mask, cache)
        x_BUD = x_BUD + self.cross_attention(self.cross_norm(x_BUD), memory, memory_mask)
        y_BUD: Tensor = x_BUD + self.feed_forward(self.feed_forward_norm(x_BUD))
        return y_BUD


class TextHead(nn.Module):
    """Decoder and loss of one text-producing task."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = norm(config)
        self.copying = Copying(config) if config.copying else None

    def memory(
        self, embedding: Tensor, states_BTD: Tensor, mask: Tensor, batch: dict[str, Tensor]
    ) -> Memory:
        """Of the inputs of a batch, as `tasks.batches.text_inputs` makes it."""
        found = []
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            found.append(layer.cross_attention.keys_values(states_BTD))
        if self.copying is None:
            return Memory(found, mask)
        return Memory(found, mask, self.copying.source(embedding, states_BTD, batch))

    def states(self, embedded_BUD: Tensor, memory: Memory, cache: Cache | None = None) -> Tensor:
        """Decoder states [B, U, D]; with a cache, ``embedded`` holds only the newest piece."""
        past = cache[0][0].shape[2] if cache and cache[0] else 0
        cos, sin = rotary_table(
            past + embedded_BUD.shape[1],
            self.config.head_width,
            self.config.rope_base,
            embedded_BUD.device,
        )
        table = (cos[past:], sin[past:])
        x_BUD = embedded_BUD
        for index, layer in enumerate(self.layers):
            own = None if cache is None else cache[index]
            x_BUD = layer(x_BUD, table, memory.keys_values[index], memory.mask, own)
        y_BUD: Tensor = self.norm(x_BUD)
        return y_BUD

    def log_probabilities(
        self,
        embedding: Tensor,
        hidden_BUD: Tensor,
        recent: Recent,
        asked: Places,
        memory: Memory,
    ) -> Tensor:
        """[N, V] of the pieces after those at the places ``asked`` of [B, U], in fp32.

        ``recent`` is what was written up to each place.
        """
        logits = functional.linear(hidden_BUD[asked], embedding).float()
        if self.copying is None or memory.source is None:
            return logits.log_softmax(-1)
        return self.copying.mixed(logits, hidden_BUD, recent, asked, memory.source)

    def loss(
        self, embedding: Tensor, memory: Memory, batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Summed cross-entropy over the labels, and how many are predicted exactly."""
        ids = batch["decoder_ids"]
        hidden = self.states(embed(ids, embedding), memory)
        asked = _asked(batch)
        found = self.log_probabilities(embedding, hidden, Recent.of(ids), asked, memory)
        target = batch["labels"][asked]
        return {
            "text": functional.nll_loss(found, target, reduction="sum"),
            "text_correct": (found.argmax(-1) == target).sum().detach(),
        }

    def next_piece(self, embedding: Tensor, ids_BU: Tensor, memory: Memory, cache: Cache) -> Tensor:
        """Log-probabilities [B, V] of the piece after ``ids``; extends the cache by the last."""
        hidden = self.states(embed(ids_BU[:, -1:], embedding), memory, cache)
        asked = torch.nonzero(torch.ones_like(ids_BU[:, -1:]), as_tuple=True)
        recent = Recent.of(ids_BU).last()
        return self.log_probabilities(embedding, hidden, recent, asked, memory)

    @staticmethod
    def new_cache(layers: int) -> Cache:
        """An empty cache."""
        return [[] for _ in range(layers)]


def _asked(batch: dict[str, Tensor]) -> Places:
    """Rows and places that have labels; counted here they would hold up a GPU."""
    if ASKED_ROW in batch:
        return batch[ASKED_ROW], batch[ASKED_PLACE]
    return torch.nonzero(batch["labels"] >= 0, as_tuple=True)


def _causal_mask(x_BUD: Tensor) -> Tensor:
    """[1, 1, U, U], true where a piece may look."""
    length = x_BUD.shape[1]
    return torch.ones(1, 1, length, length, dtype=torch.bool, device=x_BUD.device).tril()


def reorder_cache(cache: Cache, rows: Tensor) -> None:
    """Keep the given beams."""
    for layer in cache:
        layer[:] = [torch.index_select(tensor, 0, rows) for tensor in layer]
