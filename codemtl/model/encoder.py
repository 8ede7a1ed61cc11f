"""The shared encoder: spelled words in, states out. Every task reads these states."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.layers import (
    GatedFeedForward,
    Neighbours,
    SelfAttention,
    embed,
    norm,
    rotary_table,
)
from codemtl.model.sequences import PLACE, Padded, Table, Unpadded
from codemtl.tasks.batches import PLACES

ALIGNED = 16  # words that a GPU's fused attention takes together; others are copied first


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

    def forward(self, x: Tensor, sequences: Padded | Unpadded) -> Tensor:
        """States [..., D] as the sequences stand."""
        x = x + self.neighbours(self.neighbours_norm(x), sequences)
        if isinstance(sequences, Unpadded):
            x = x + self.attention.unpadded(self.attention_norm(x), sequences)
        else:
            x = x + self.attention(self.attention_norm(x), sequences.table, sequences.mask)
        y: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return y


class Spelling(NamedTuple):
    """Words as `tasks.batches.spelling` makes them; M pieces beside the first of each word."""

    ids_BT: Tensor
    more_pieces_M: Tensor
    more_slot_M: Tensor
    more_place_M: Tensor

    @classmethod
    def of(cls, batch: dict[str, Tensor], prefix: str) -> Spelling:
        """From the arrays of a batch."""
        return cls(
            *(batch[prefix + key] for key in ("ids", "more_pieces", "more_slot", "more_place"))
        )


class Words(nn.Module):
    """What spells words: the part of an encoder that heads share, whatever reads the words."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.place_embedding = nn.Parameter(torch.ones(PLACES, config.width))
        self.spelling_norm = norm(config)

    def words(self, spelling: Spelling) -> Tensor:
        """Embeddings [B, T, D] of words: their pieces added up, each weighted by its place."""
        x_BTD = embed(spelling.ids_BT, self.embedding.weight)
        more_MD = embed(spelling.more_pieces_M, self.embedding.weight)
        more_MD = more_MD * functional.embedding(spelling.more_place_M, self.place_embedding)
        whole = x_BTD.flatten(0, 1).index_add(0, spelling.more_slot_M, more_MD)
        words_BTD: Tensor = self.spelling_norm(whole.view_as(x_BTD))
        return words_BTD

    def input_words(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Embeddings [B, T, D] of a batch's inputs, and the mask [B, 1, 1, T] of real words."""
        x_BTD = self.words(Spelling.of(batch, "input_"))
        return x_BTD, real(batch["lengths"], x_BTD.shape[1])[:, None, None, :]


def real(lengths_B: Tensor, size: int) -> Tensor:
    """[B, size], true on what is not padding."""
    return torch.arange(size, device=lengths_B.device)[None, :] < lengths_B[:, None]


class Encoder(Words):
    """Embedding of words and the layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.stack = EncoderStack(config)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """States [B, T, D] and the mask [B, 1, 1, T] of words that are not padding."""
        x_BTD, mask = self.input_words(batch)
        size = x_BTD.shape[1]
        if PLACE in batch:
            sequences = Unpadded.of(batch, self.stack.table(size, x_BTD.device), Neighbours.reach)
            flat = x_BTD.flatten(0, 1)
            states_ND = self.stack(flat.index_select(0, batch[PLACE]), sequences)
            states = torch.zeros_like(flat).index_copy(0, batch[PLACE], states_ND)
            return states.view_as(x_BTD), mask
        if x_BTD.device.type == "cuda":
            spare = -size % ALIGNED
            x_BTD = functional.pad(x_BTD, (0, 0, 0, spare))
            return self._padded(x_BTD, functional.pad(mask, (0, spare)))[:, :size], mask
        return self._padded(x_BTD, mask), mask

    def _padded(self, x_BTD: Tensor, mask: Tensor) -> Tensor:
        table = self.stack.table(x_BTD.shape[1], x_BTD.device)
        real_BT1 = mask[:, 0, 0, :, None].to(x_BTD.dtype)
        states_BTD: Tensor = self.stack(x_BTD, Padded(table, mask, real_BT1))
        return states_BTD


class EncoderStack(nn.Module):
    """The layers: nearly all of the arithmetic."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = norm(config)

    def table(self, length: int, device: torch.device) -> Table:
        """Rotary angles of so many positions."""
        return rotary_table(length, self.config.head_width, self.config.rope_base, device)

    def forward(self, x: Tensor, sequences: Padded | Unpadded) -> Tensor:
        """States [..., D] as the sequences stand."""
        for layer in self.layers:
            x = layer(x, sequences)
        states: Tensor = self.norm(x)
        return states
