"""The shared encoder: pieces in, states out. Every task reads these states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codemtl.model.config import ModelConfig
from codemtl.model.layers import (
    GatedFeedForward,
    Neighbours,
    SelfAttention,
    embed,
    norm,
    rotary_table,
)


class EncoderLayer(nn.Module):
    """Neighbours, attention and feed-forward, each behind a norm and around a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.neighbours_norm = norm(config)
        self.neighbours = Neighbours(config)
        self.attention_norm = norm(config)
        self.attention = SelfAttention(config)
        self.feed_forward_norm = norm(config)
        self.feed_forward = GatedFeedForward(config)

    def forward(
        self, x_BTD: Tensor, table: tuple[Tensor, Tensor], mask: Tensor, real_BT1: Tensor
    ) -> Tensor:
        """``mask`` [B, 1, 1, T] is true on pieces that are not padding, ``real`` 1 there."""
        x_BTD = x_BTD + self.neighbours(self.neighbours_norm(x_BTD), real_BT1)
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), table, mask)
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))


class Encoder(nn.Module):
    """Embedding and layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = norm(config)

    def forward(self, input_ids_BT: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """States [B, T, D] and the mask [B, 1, 1, T] of pieces that are not padding."""
        length = input_ids_BT.shape[1]
        positions = torch.arange(length, device=input_ids_BT.device)
        mask = (positions[None, :] < lengths_B[:, None])[:, None, None, :]
        table = rotary_table(
            length, self.config.head_width, self.config.rope_base, input_ids_BT.device
        )
        x_BTD = embed(input_ids_BT, self.embedding.weight)
        real_BT1 = mask[:, 0, 0, :, None].to(x_BTD.dtype)
        for layer in self.layers:
            x_BTD = layer(x_BTD, table, mask, real_BT1)
        return self.norm(x_BTD), mask
