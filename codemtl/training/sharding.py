"""A large trunk spread over the processes: each holds a part of its weights and optimizer state.

Fully sharded data parallelism (Zhao et al. 2023, arXiv:2304.11277) by torch's ``fully_shard``,
asked for by ``accelerate launch --use_fsdp``. The trunk alone is spread: it is what is large, and
AdamW updates it element by element. Heads and word embeddings stay whole on every process, so Muon
has whole matrices. What is a collective must be called by every process, in the same order.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn

from codemtl.errors import UsageError
from codemtl.model.trunk import TrunkEncoder


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is spread over processes; torch's own test costs seconds of imports."""
    return hasattr(tensor, "full_tensor")


def shard(network: nn.Module, accelerator: Accelerator) -> bool:
    """Spread the trunk over the processes if the launcher asks for it; False if it does not.

    Raises UsageError if there is no trunk to spread.
    """
    if not parse_flag_from_env("ACCELERATE_USE_FSDP") or accelerator.num_processes == 1:
        return False
    encoder = network.get_submodule("encoder")
    if not isinstance(encoder, TrunkEncoder):
        raise UsageError(
            "FSDP spreads a pretrained encoder over the processes, and this run has none; give one "
            "by --set model.encoder=NAME, or launch without --use_fsdp"
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    # T5's blocks hand on a view, their bias of positions, and change nothing in place
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for module in [*_blocks(encoder.trunk), encoder.trunk]:
        # the outermost too: else its weights stay whole, and others, after an evaluation
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
        assert isinstance(module, FSDPModule)
        module.set_gradient_divide_factor(1.0)  # the window's denominators count all ranks
        module.set_force_sum_reduction_for_comms(True)
    return True


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of a trunk, which are gathered one at a time."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _blocks(child)


def gathered(tensor: Tensor) -> Tensor:
    """The whole of a tensor. A collective if it is spread."""
    spread: Any = tensor
    whole: Tensor = spread.full_tensor() if is_sharded(tensor) else tensor
    return whole.detach()


def spread_as(tensor: Tensor, example: Tensor) -> Tensor:
    """Of a whole tensor that every process holds its own part, laid out as ``example``."""
    tensor = tensor.to(example.device)
    if not is_sharded(example) or tensor.ndim == 0:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    layout: Any = example
    return distribute_tensor(
        tensor, layout.device_mesh, layout.placements, src_data_rank=None
    )  # fmt: skip


@torch.no_grad()
def clip_gradients(
    parameters: Sequence[nn.Parameter], limit: float, accelerator: Accelerator
) -> Tensor:
    """Scale all gradients down to a norm of ``limit`` at most; returns the norm before."""
    gradients: list[Any] = [p.grad for p in parameters if p.grad is not None]
    parts = [one.to_local() for one in gradients if is_sharded(one)]
    if not parts:
        return torch.nn.utils.clip_grad_norm_(parameters, limit)
    whole = [one for one in gradients if not is_sharded(one)]
    square = torch.stack([part.float().square().sum() for part in parts]).sum()
    square = accelerator.reduce(square, "sum")
    square = square + sum((one.float().square().sum() for one in whole), torch.zeros_like(square))
    norm: Tensor = square.sqrt()
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)
    for gradient in [*parts, *whole]:
        gradient.mul_(scale)
    return norm
