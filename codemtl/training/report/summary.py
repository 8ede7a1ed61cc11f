"""What the report says of a run besides its curves: data, machine, configuration."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from codemtl import __version__
from codemtl.training.config import TrainingConfig
from codemtl.training.mixture import MicroBatches


@dataclass(frozen=True, slots=True)
class TaskData:
    """One task's part of the data and of the mixture."""

    examples: int
    share: float  # q_i, of the micro-batches
    micro_tokens: int
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """See the module's docstring."""

    config: dict[str, Any]
    step: int
    finished: bool
    functions: dict[str, int]  # by split
    tasks: dict[str, TaskData]
    parameters: dict[str, int]  # of the encoder and of each head
    machine: dict[str, str]


def summarize_run(
    config: TrainingConfig, network: nn.Module, data: MicroBatches, functions: Mapping[str, int],
    *, step: int, finished: bool, processes: int, device: str,
) -> Summary:  # fmt: skip
    """From the parts of a run."""
    tasks = {
        task: TaskData(len(plan.members), data.shares[task], plan.tokens, config.stages(task))
        for task, plan in data.plans.items()
    }
    parameters = {
        name: sum(parameter.numel() for parameter in child.parameters())
        for name, child in network.named_children()
    }
    machine = {
        "codemtl": __version__, "torch": torch.__version__, "python": platform.python_version(),
        "device": device, "processes": str(processes), "threads": str(torch.get_num_threads()),
        "precision": config.precision,
    }  # fmt: skip
    counts = dict(functions)
    return Summary(config.to_dict(), step, finished, counts, tasks, parameters, machine)
