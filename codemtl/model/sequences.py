"""Sequences of words beside each other: padded to one length, or end to end without padding.

Legend: B sequences, T words of the longest, N words in all, D width, H heads, K = D / H, S shifts.
On a GPU padding costs as much as words do, and FlashAttention (Dao 2023, arXiv:2307.08691) takes no
mask, but sequences of any length end to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

PLACE, ENDS = "word_place", "word_ends"  # arrays of a batch, as `training.packing` makes them
TOGETHER = 128  # words that FlashAttention takes together
Table = tuple[Tensor, Tensor]  # cosines and sines of rotary angles


class Padded(NamedTuple):
    """[B, T, D], padding after each sequence."""

    table: Table  # [T, K / 2]
    mask: Tensor  # [B, 1, 1, T], true on words that are not padding
    real: Tensor  # [B, T, 1], 1 there

    def near(self, x_BTD: Tensor, reach: int) -> Iterator[Tensor]:
        """What stands 2, 1, 0, -1, -2 words before each, for a reach of 2; zero where nothing."""
        length = x_BTD.shape[1]
        padded = functional.pad(x_BTD * self.real, (0, 0, reach, reach))
        for shift in range(2 * reach + 1):
            yield padded[:, shift : shift + length]


class Unpadded(NamedTuple):
    """[N, D], one sequence after the other."""

    table: Table  # [N, 1, K / 2], of each word's position in its sequence
    ends: Tensor  # int32 [B + 1], 0 and where each sequence ends
    longest: int  # an upper bound of T
    inside: Tensor  # [S, N, 1], 1 where the word at a shift belongs to the same sequence

    @classmethod
    def of(cls, batch: dict[str, Tensor], table: Table, reach: int) -> Unpadded:
        """Of a batch with `PLACE` and `ENDS`; ``table`` [T, K / 2] as for padded sequences."""
        size = batch["input_ids"].shape[1]
        row_N, position_N = batch[PLACE] // size, batch[PLACE] % size
        left = batch["lengths"][row_N] - position_N
        around = torch.arange(-reach, reach + 1, device=row_N.device)[:, None]
        inside_SN = (position_N + around >= 0) & (around < left)
        cos, sin = (part[position_N, None] for part in table)
        longest = -(-size // TOGETHER) * TOGETHER
        return cls((cos, sin), batch[ENDS], longest, inside_SN[..., None])

    def near(self, x_ND: Tensor, reach: int) -> Iterator[Tensor]:
        """As that of `Padded`."""
        padded = functional.pad(x_ND, (0, 0, reach, reach))
        for shift in range(2 * reach + 1):
            yield padded[shift : shift + len(x_ND)] * self.inside[shift]

    def attend(self, q_NHK: Tensor, k_NHK: Tensor, v_NHK: Tensor) -> Tensor:
        """Attention [N, H, K] of each word over its own sequence."""
        if q_NHK.device.type == "cuda":
            y_NHK: Tensor = torch.ops.aten._flash_attention_forward(
                q_NHK, k_NHK, v_NHK, self.ends, self.ends, self.longest, self.longest,
                0.0, False, False,
            )[0]  # fmt: skip
            return y_NHK
        places = torch.arange(len(q_NHK), device=q_NHK.device)
        row_N = torch.bucketize(places, self.ends[1:], right=True)
        q, k, v = (part.transpose(0, 1) for part in (q_NHK, k_NHK, v_NHK))
        mask_NN = row_N[:, None] == row_N
        y_HNK = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask_NN)
        return y_HNK.transpose(0, 1)
