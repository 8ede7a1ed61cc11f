"""How many processes train together: what `accelerate launch` or torchrun started, or this one.

Accelerate joins processes on CPUs only if it is told that they are to use the CPU; otherwise each
would train alone and write to the same folder.
"""

from __future__ import annotations

import os

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from codemtl.errors import UsageError


def on_cpu() -> bool:
    """Whether to train on the CPU though Accelerate does not see it by itself."""
    asked: bool = parse_flag_from_env("ACCELERATE_USE_CPU")
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return asked or (several and not torch.accelerator.is_available())


def join() -> PartialState:
    """Meet the other processes. Raises UsageError if they were started but do not meet."""
    state = PartialState(cpu=on_cpu())
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if state.num_processes != started:
        raise UsageError(
            f"the launcher started {started} processes, but {state.num_processes} would train "
            "together; start them by `accelerate launch` or `torchrun`, as the README shows"
        )
    return state
