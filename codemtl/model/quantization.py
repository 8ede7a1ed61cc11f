"""Matrices as int8 with one scale a row: a quarter of the bytes, for weights that travel.

Symmetric rounding to [-127, 127], as in LLM.int8() without its outliers (Dettmers et al. 2022,
arXiv:2208.07339). How they are used: `model.int8`. Vectors stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ".scale"
STEPS = 127


def quantized(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each matrix [M, N] as int8 [M, N] and, under its name + ``.scale``, fp32 [M, 1]."""
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.ndim == 2 and value.is_floating_point():
            scale = value.float().abs().amax(1, keepdim=True) / STEPS
            scale = torch.where(scale > 0, scale, torch.ones_like(scale))
            stored[name] = (value.float() / scale).round().to(torch.int8)
            stored[name + SCALE] = scale
        else:
            stored[name] = value
    return stored


def dequantized(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors in fp32, matrices of int8 times their scales; others are only converted."""
    plain: dict[str, Tensor] = {}
    for name, value in tensors.items():
        scale = tensors.get(name + SCALE)
        if scale is not None and value.dtype == torch.int8:
            plain[name] = value.float() * scale
        elif not (name.endswith(SCALE) and name.removesuffix(SCALE) in tensors):
            plain[name] = value.float()
    return plain
