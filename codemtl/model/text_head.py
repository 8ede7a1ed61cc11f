"""A decoder that writes text while attending to the shared encoder, and its loss.

Two instances serve summarization and generation; both share the encoder's embedding as input and
output matrix (Press & Wolf 2017, arXiv:1608.05859).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.layers import (
    CrossAttention,
    GatedFeedForward,
    SelfAttention,
    embed,
    norm,
    rotary_table,
)

Cache = list[list[Tensor]]


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

    def memory(self, states_BTD: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the encoder states for each layer."""
        found = []
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            found.append(layer.cross_attention.keys_values(states_BTD))
        return found

    def states(
        self,
        embedded_BUD: Tensor,
        memory: list[tuple[Tensor, Tensor]],
        memory_mask: Tensor,
        cache: Cache | None = None,
    ) -> Tensor:
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
            x_BUD = layer(x_BUD, table, memory[index], memory_mask, own)
        y_BUD: Tensor = self.norm(x_BUD)
        return y_BUD

    def loss(
        self,
        embedding: Tensor,
        states_BTD: Tensor,
        mask: Tensor,
        decoder_ids_BU: Tensor,
        labels_BU: Tensor,
    ) -> dict[str, Tensor]:
        """Summed cross-entropy over the labels, and how many are predicted exactly."""
        x_BUD = embed(decoder_ids_BU, embedding)
        hidden = self.states(x_BUD, self.memory(states_BTD), mask)
        real = labels_BU >= 0
        logits = functional.linear(hidden[real], embedding).float()
        target = labels_BU[real]
        return {
            "text": functional.cross_entropy(logits, target, reduction="sum"),
            "text_correct": (logits.argmax(-1) == target).sum().detach(),
        }

    def next_logits(
        self,
        embedding: Tensor,
        ids_B1: Tensor,
        memory: list[tuple[Tensor, Tensor]],
        memory_mask: Tensor,
        cache: Cache,
    ) -> Tensor:
        """Logits [B, V] of the piece after ``ids``; extends the cache in place."""
        hidden = self.states(embed(ids_B1, embedding), memory, memory_mask, cache)
        return functional.linear(hidden[:, -1], embedding).float()

    @staticmethod
    def new_cache(layers: int) -> Cache:
        """An empty cache."""
        return [[] for _ in range(layers)]


def _causal_mask(x_BUD: Tensor) -> Tensor:
    """[1, 1, U, U], true where a piece may look."""
    length = x_BUD.shape[1]
    return torch.ones(1, 1, length, length, dtype=torch.bool, device=x_BUD.device).tril()


def reorder_cache(cache: Cache, rows: Tensor) -> None:
    """Keep the given beams."""
    for layer in cache:
        layer[:] = [torch.index_select(tensor, 0, rows) for tensor in layer]
