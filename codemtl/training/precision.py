"""Which arithmetic a run uses where its configuration says "auto", and what bf16 may remember."""

from __future__ import annotations

import os

import torch

_PLANS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"  # each with a copy of its weights, one for each shape
_FEW_PLANS = "64"  # instead of 1,024: as fast, and half the memory (data/LOG.md, 2026-11-30)
_FAST_BF16 = ("avx512_bf16", "amx_bf16")  # a CPU without them emulates, 4 to 100 times slower


def resolve_precision(wanted: str, device: torch.device) -> str:
    """What "auto" means on a device: "bf16" where that is fast, else "no"."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    capabilities = torch.cpu.get_capabilities()
    fast = device.type == "cpu" and any(capabilities.get(name) for name in _FAST_BF16)
    return "bf16" if fast else "no"


def bound_plans(device: torch.device) -> None:
    """Let oneDNN, which multiplies bf16 on a CPU, forget shapes; before it multiplies any."""
    if device.type == "cpu":
        os.environ.setdefault(_PLANS, _FEW_PLANS)
