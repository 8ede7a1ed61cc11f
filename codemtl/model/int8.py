"""Products with int8 matrices, for use on a CPU that has instructions for them (VNNI).

The state of each word is rounded to int8 with a scale of its own, as in LLM.int8() (Dettmers et al.
2022, arXiv:2208.07339), so what comes out does not depend on what else is in the batch. Sums are
whole numbers, so it does not depend on the machine either.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from codemtl.model.config import INT8_VARIABLE
from codemtl.model.network import Network
from codemtl.model.quantization import SCALE, STEPS, quantized


class Int8Linear(nn.Module):
    """A linear layer without bias whose weights are rounded as they are for storage."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        stored = quantized({"weight": linear.weight})
        self.weight_DM = stored["weight"].t().contiguous()
        self.scale_M = stored["weight" + SCALE].squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., M], both in fp32."""
        rows = x.reshape(-1, x.shape[-1])
        scale = rows.abs().amax(-1, keepdim=True).clamp_(min=1e-30) / STEPS
        whole = torch._int_mm((rows / scale).round_().to(torch.int8), self.weight_DM)
        y: Tensor = whole.float().mul_(scale).mul_(self.scale_M)
        return y.view(*x.shape[:-1], -1)


def use_int8(network: Network) -> None:
    """Replace the linear layers without bias of a network; for inference only.

    A trunk stays as its library made it.
    """
    for name, part in network.named_children():
        if name != "encoder" or network.config.trunk is None:
            _replace(part)


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear) and child.bias is None:
            setattr(module, name, Int8Linear(child))
        else:
            _replace(child)


def has_int8() -> bool:
    """Whether this CPU multiplies int8 quickly, and torch does it right: nothing saturates.

    ``CODEMTL_INT8=0`` in the environment says no.
    """
    if os.environ.get(INT8_VARIABLE) == "0":
        return False
    supported = getattr(torch.cpu, "_is_vnni_supported", None)
    if supported is None or not supported():
        return False
    most = torch.full((32, 64), STEPS, dtype=torch.int8)
    try:
        found = torch._int_mm(most, -most.t().contiguous())
    except (RuntimeError, AttributeError):
        return False
    return bool((found == -64 * STEPS * STEPS).all())
