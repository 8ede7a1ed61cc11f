"""The blocks of encoder and decoders.

Legend: B batch, T pieces of the encoder, U pieces of a decoder, D width, H heads, K = D / H.
Pre-norm (RMSNorm), rotary positions (Su et al. 2021, arXiv:2104.09864), gated feed-forward
(Shazeer 2020, arXiv:2002.05202).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.sequences import Padded, Unpadded


def rotary_table(
    length: int, width: int, base: float, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines [length, width / 2] of the rotary angles."""
    frequencies = base ** -(torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x_BHTK: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of channels by their positions' angles."""
    cos, sin = (part.to(x_BHTK.dtype) for part in table)
    left, right = x_BHTK.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)


def embed(ids: Tensor, matrix_VD: Tensor) -> Tensor:
    """States of unit variance [..., D]; the matrix itself stays small, for it is the output too.

    Without the factor a token's own identity drowns in what the first layers add to it.
    """
    scale: float = matrix_VD.shape[1] ** 0.5
    return functional.embedding(ids, matrix_VD) * scale


def attend(q_BHUK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of queries [B, H, U, K] over [B, H, T, K]; ``mask`` is true where allowed.

    In bfloat16 on a CPU the plain products are 1.5-3 times as fast as the fused kernel.
    """
    if q_BHUK.device.type != "cpu" or q_BHUK.dtype != torch.bfloat16:
        return functional.scaled_dot_product_attention(q_BHUK, k_BHTK, v_BHTK, attn_mask=mask)
    scores = (q_BHUK * q_BHUK.shape[-1] ** -0.5) @ k_BHTK.transpose(-1, -2)
    if mask is not None:
        scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill(~mask, -1e4)
    y_BHUK: Tensor = scores.softmax(-1) @ v_BHTK
    return y_BHUK


def mean_by_slot(values_ND: Tensor, slots_N: Tensor, count: int) -> Tensor:
    """Mean of the rows that share a slot [count, D]; zero for slots without rows."""
    total = values_ND.new_zeros(count, values_ND.shape[-1]).index_add(0, slots_N, values_ND)
    ones = values_ND.new_ones(len(slots_N))
    sizes = values_ND.new_zeros(count).index_add(0, slots_N, ones)
    return total / sizes.clamp(min=1).unsqueeze(-1)


class SelfAttention(nn.Module):
    """Multi-head attention over one sequence, with an optional cache for decoding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(
        self,
        x_BTD: Tensor,
        table: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: list[Tensor] | None = None,
    ) -> Tensor:
        """``mask`` [B, 1, 1 or T, T] is true where attention is allowed."""
        batch, length, _ = x_BTD.shape
        qkv = self.qkv(x_BTD).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = rotate(qkv[0], table), rotate(qkv[1], table), qkv[2]
        if cache is not None:
            if cache:
                k, v = torch.cat((cache[0], k), dim=2), torch.cat((cache[1], v), dim=2)
            cache[:] = [k, v]
        y = attend(q, k, v, mask)
        out: Tensor = self.out(y.transpose(1, 2).reshape(batch, length, -1))
        return out

    def unpadded(self, x_ND: Tensor, sequences: Unpadded) -> Tensor:
        """The same over sequences that stand end to end."""
        q, k, v = self.qkv(x_ND).view(len(x_ND), 3, self.heads, -1).unbind(1)
        y = sequences.attend(rotate(q, sequences.table), rotate(k, sequences.table), v)
        out: Tensor = self.out(y.reshape(len(x_ND), -1))
        return out


class CrossAttention(nn.Module):
    """Attention from decoder states to encoder states."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.q = nn.Linear(config.width, config.width, bias=False)
        self.kv = nn.Linear(config.width, 2 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def keys_values(self, memory_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, H, T, K] of the encoder states, computed once a sequence."""
        batch, length, _ = memory_BTD.shape
        kv = self.kv(memory_BTD).view(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return kv[0], kv[1]

    def forward(self, x_BUD: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """``mask`` [B, 1, 1, T] is true on pieces that are not padding."""
        batch, length, _ = x_BUD.shape
        q = self.q(x_BUD).view(batch, length, self.heads, -1).transpose(1, 2)
        y = attend(q, *keys_values, mask)
        out: Tensor = self.out(y.transpose(1, 2).reshape(batch, length, -1))
        return out


class Neighbours(nn.Module):
    """A depthwise convolution over the nearest pieces, zero at the start of training.

    Attention has to learn what stands next to what; this shows it from the first step (So et al.
    2021, arXiv:2109.08668). Written as shifted sums, which export and compile everywhere.
    """

    reach = 2  # pieces on each side

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2 * self.reach + 1, config.width))

    def forward(self, x: Tensor, sequences: Padded | Unpadded) -> Tensor:
        """[..., D] as the sequences stand; nothing leaks from one, or from padding, to another."""
        parts = sequences.near(x, self.reach)
        total = next(parts) * self.weight[0]
        for shift, part in enumerate(parts, 1):
            total = total + part * self.weight[shift]
        return total


class GatedFeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape [..., D]."""
        gate, value = self.up(x).chunk(2, dim=-1)
        y: Tensor = self.down(functional.silu(gate) * value)
        return y


class RMSNorm(nn.RMSNorm):
    """Root mean square norm, always computed in fp32."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape [..., D]."""
        return super().forward(x.float())


def norm(config: ModelConfig) -> nn.Module:
    """The normalisation used everywhere."""
    return RMSNorm(config.width, eps=1e-6)
