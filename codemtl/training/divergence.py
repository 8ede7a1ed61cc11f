"""A training whose numbers are no longer finite ends before anything of it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codemtl.errors import UsageError
from codemtl.training.config import TrainingConfig
from codemtl.training.gradients import agreed
from codemtl.training.sharding import is_sharded


def check_gradient(
    norm: float,
    losses: Mapping[str, float],
    config: TrainingConfig,
    step: int,
    accelerator: Accelerator,
) -> None:
    """Raise UsageError, on all ranks, if the gradient over all ranks has no finite ``norm``.

    The tasks' ``losses`` only say more about it. Every rank must call this.
    """
    (norm,) = agreed([norm], accelerator)
    if isfinite(norm):
        return
    tasks = [task for task, loss in sorted(losses.items()) if not isfinite(loss)]
    also = f", and so is the loss of {' and '.join(tasks)}" if tasks else ""
    raise UsageError(_told(f"the norm of the gradient is {norm}{also}", config, step))


@torch.no_grad()
def check_weights(
    parameters: Sequence[nn.Parameter], config: TrainingConfig, step: int, accelerator: Accelerator
) -> None:
    """Raise UsageError if a parameter is not finite.

    All ranks find the same: they hold the same parameters, or share the finding where these are
    spread over them; then every rank must call this.
    """
    here: list[Any] = list(parameters)
    spread = any(is_sharded(one) for one in here)
    parts: list[Tensor] = [one.to_local() if is_sharded(one) else one for one in here]
    bad = torch.stack([~part.isfinite().all() for part in parts]).float().sum()
    if spread:
        bad = accelerator.reduce(bad, "sum")
    if bad:
        raise UsageError(_told("weights of the network are not finite", config, step))


def _told(what: str, config: TrainingConfig, step: int) -> str:
    return (
        f"the training diverged: at step {step} of {config.steps} {what}; what was saved before "
        "stays; begin anew, in another --out, with a learning_rate below "
        f"{config.learning_rate:g} or a longer warmup"
    )
