"""Which arithmetic a run uses where its configuration says "auto"."""

from __future__ import annotations

import torch

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
