"""A short run that begins with a trained model, planned from the speed that is measured first.

The plan is made once and kept by the caller: an interrupted run is called again with the same plan
and goes on exactly. Settings are declared here and not tuned to any repository: a small learning
rate, short warm-up, and the weights it began with among the candidates for the best checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from codemtl.errors import DataError
from codemtl.model.config import ModelConfig
from codemtl.model.folder import read_config
from codemtl.tasks.registry import SHIPPED, TASKS
from codemtl.training.config import TaskConfig, TrainingConfig
from codemtl.training.run import Run, Speed
from codemtl.training.shards import Shards

LEARNING_RATE = 2e-4
SHARES = {"repair": 0.6, "summarize": 0.2, "generate": 0.2}
LEAST_FIXES = 200  # real bugs to learn from; fewer would be learned by heart
PASSES = 12  # over the training functions at most: more teach the names in them, not the code
LEAST_STEPS = 4
EVALUATIONS = 8  # at most
_EVALUATING = 0.1  # of the time at most
_MEASURED, _MEASURING = 10, 0.1  # steps, and the part of the time at most
_CHECKPOINT = 30.0  # seconds of work that an interruption may cost


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, decided before it starts."""

    steps: int
    evaluate_every: int
    checkpoint_every: int
    threads: int
    tasks: tuple[str, ...]
    real: bool  # also learn from real bugs
    micro_tokens: int = 4096
    expected_seconds: float = 0.0  # by what was measured

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """From JSON."""
        return cls(**{**values, "tasks": tuple(values["tasks"])})

    def config(self, model: Path) -> TrainingConfig:
        """The configuration of the run that begins with ``model``."""
        stages = {"real" if self.real else "single": 1.0}
        tasks = {
            "repair": TaskConfig(
                SHARES["repair"], stages=stages,
                terms={"token": 4.0, "edit": 1.0, "site": 1.0, "bug": 0.5},
            ),
            "summarize": TaskConfig(SHARES["summarize"], weight=0.5),
            "generate": TaskConfig(SHARES["generate"], weight=0.5),
        }  # fmt: skip
        return TrainingConfig(
            model=ModelConfig.from_dict(read_config(model)),
            tasks={name: tasks[name] for name in self.tasks},
            steps=self.steps, accumulation=2, micro_tokens=self.micro_tokens,
            learning_rate=LEARNING_RATE, warmup=max(1, self.steps // 20), final_rate=0.05,
            threads=self.threads, evaluate_every=self.evaluate_every, evaluate_batches=8,
            checkpoint_every=self.checkpoint_every, diagnose_every=max(1, self.steps // 2),
        )  # fmt: skip


def make_plan(model: Path, shards: Path, out: Path, seconds: float) -> Plan:
    """As many steps as ``seconds`` allow on this machine, LEAST_STEPS at least.

    Raises DataError without examples.
    """
    tasks, real, words = _examples(shards)
    if not tasks:
        raise DataError(f"{shards} holds no task's examples in both splits; name more repositories")
    trial = Plan(_MEASURED, _MEASURED, _MEASURED, torch.get_num_threads(), tasks, real)
    config = trial.config(model)
    since = time.monotonic()
    run = Run(config, shards, out, model)
    setup = time.monotonic() - since  # once more where the plan is run
    speed = run.measure(_MEASURED, _MEASURING * seconds)
    left = max(seconds - (time.monotonic() - since) - setup, 0.0)
    most = math.ceil(PASSES * words / (config.accumulation * config.micro_tokens))
    steps, evaluations = _affordable(speed, left)
    steps = max(min(steps, most), LEAST_STEPS)
    takes = setup + _fixed(speed, evaluations) + steps * _one_step(speed)
    return Plan(
        steps, math.ceil(steps / evaluations), min(steps, _between(speed)),
        trial.threads, tasks, real, expected_seconds=round(takes, 1),
    )  # fmt: skip


def _affordable(speed: Speed, seconds: float) -> tuple[int, int]:
    """How many steps and evaluations there is time for, the first and last checkpoint paid."""
    evaluations = min(EVALUATIONS, max(1, int(_EVALUATING * seconds / speed.evaluation)))
    return int((seconds - _fixed(speed, evaluations)) / _one_step(speed)), evaluations


def _fixed(speed: Speed, evaluations: int) -> float:
    """Seconds beside the steps: evaluations, one before the first step, and two checkpoints."""
    return (evaluations + 1) * speed.evaluation + 2 * speed.checkpoint


def _one_step(speed: Speed) -> float:
    """Seconds of a step and its part of a checkpoint."""
    return speed.step + speed.checkpoint / _between(speed)


def _between(speed: Speed) -> int:
    """Steps from one checkpoint to the next."""
    return max(1, int(_CHECKPOINT / speed.step))


def tune(model: Path, shards: Path, out: Path, plan: Plan) -> dict[str, float]:
    """Run the plan, or what is left of it; ``out`` becomes a model folder.

    Returns the step, score and accuracies of the chosen checkpoint; step 0 is ``model`` itself.
    """
    return Run(plan.config(model), shards, out, model).go()


def _examples(shards: Path) -> tuple[tuple[str, ...], bool, int]:
    """The tasks that both splits have examples for, whether for real bugs, training words."""
    splits: Sequence[Shards] = [Shards(shards, split) for split in ("train", "validation")]
    tasks = tuple(task for task in SHIPPED if all(TASKS[task].usable(one).any() for one in splits))
    training = splits[0]
    return tasks, int(training.buggy.sum()) >= LEAST_FIXES, int(training.lengths.sum())
