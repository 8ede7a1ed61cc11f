"""Which runs a comparison needs, and what each of them may spend.

The budget is that of one joint run of S steps, in which task i has n_i steps' worth of
micro-batches. Against it stand, with the same model, data, tokenizer and settings:

    single           one model a task, n_i steps: as many updates of its task as in the joint run of
                     the same seed; the models together cost as much as the joint run
    single-compute   one model a task, S steps: each costs as much as the joint run
    transfer         from the weights of another task's ``single`` model, n_i steps
    unrelated        the joint run and `tasks.reversal` beside it: S steps and a quarter on top

Every setting is the configuration's in all runs: one trial each. The warm-up keeps its share of a
run. Series repeat ``joint`` and ``single`` with part of the training data, or with wrong labels.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codemtl.errors import UsageError
from codemtl.tasks.registry import SHIPPED
from codemtl.training.config import TaskConfig, TrainingConfig, load_config
from codemtl.training.schedule import draw_tasks
from codemtl.training.weighting import METHODS

JOINT, RANDOM, LEARNED, UNRELATED = "joint", "random", "learned", "unrelated"
SINGLE, SINGLE_COMPUTE, TRANSFER = "single", "single-compute", "transfer"
ARMS = (JOINT, RANDOM, LEARNED, UNRELATED, TRANSFER, SINGLE, SINGLE_COMPUTE)
IN_SERIES = (JOINT, SINGLE)
UNRELATED_SHARE = 0.25  # micro-batches of the unrelated task, relative to those of all others
LOOKS = 5  # evaluations of a run at most, of which the best is its model
LOOK_POSITIONS = 65_536  # of a task, about: luck in a few examples must not choose
WHOLE = "all"  # the condition of the main comparison: all data, true labels


@dataclass(frozen=True, slots=True)
class Options:
    """What a comparison was asked for."""

    data: Path
    out: Path
    config: Path | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    max_steps: int | None = None  # S
    budget: float | None = None  # S as a share of the configuration's steps
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: tuple[str, ...] = ARMS
    weighting: str = "uncertainty"
    fractions: tuple[float, ...] = ()
    noise: tuple[float, ...] = ()
    cases: int = 500  # held-out examples of a task
    split: str = "validation"
    jobs: int = 1  # runs made at once
    images: Path | None = None

    def __post_init__(self) -> None:
        """Check everything that needs no configuration."""
        for arm in self.arms:
            if arm not in ARMS:
                raise UsageError(f"--arms: there is no arm {arm!r}; known: {', '.join(ARMS)}")
        if SINGLE not in self.arms or len(set(self.arms)) < 2:
            raise UsageError(f"--arms must name {SINGLE}, which all are measured by, and another")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise UsageError("--seeds must be different whole numbers from 0, as 0,1,2")
        if self.max_steps is not None and self.budget is not None:
            raise UsageError("--max-steps and --budget both say how long to train; give one")
        if self.budget is not None and not 0 < self.budget <= 1:
            raise UsageError(f"--budget is {self.budget}; it must be above 0, at most 1, as 0.25")
        if any(not 0 < fraction <= 1 for fraction in self.fractions):
            raise UsageError("--fractions must be above 0 and at most 1, as 0.01,0.05,0.25,1")
        if any(not 0 <= rate < 1 for rate in self.noise):
            raise UsageError("--noise must be from 0 to below 1, as 0,0.1,0.3")
        if (self.fractions or self.noise) and JOINT not in self.arms:
            raise UsageError(f"--fractions and --noise need the arm {JOINT}; add it to --arms")
        if self.weighting not in METHODS or self.weighting in ("static", "rlw"):
            known = ", ".join(name for name in METHODS if name not in ("static", "rlw"))
            raise UsageError(f"--weighting {self.weighting}: no method that learns; known: {known}")


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One training: what it is for and all that decides it."""

    name: str  # its folder below the comparison's
    condition: str  # WHOLE, "fraction-0.05" or "noise-0.1"
    arm: str
    task: str  # "" for several at once
    seed: int
    settings: TrainingConfig
    source: str = ""  # the run whose weights it begins with

    @property
    def micro_batches(self) -> int:
        """What it costs."""
        return self.settings.steps * self.settings.accumulation


@dataclass(frozen=True, slots=True)
class Plan:
    """All runs, in the order in which they can be made."""

    tasks: tuple[str, ...]
    base: TrainingConfig  # of the joint run
    runs: tuple[PlannedRun, ...]

    def joint_runs(self, runs: Sequence[PlannedRun]) -> float:
        """The cost of some runs, in joint runs."""
        whole = self.base.steps * self.base.accumulation
        return sum(run.micro_batches for run in runs) / whole


def make_plan(options: Options) -> Plan:
    """The runs of a comparison. Raises UsageError that names the option and what would do."""
    base = _base(options)
    tasks = tuple(task for task in SHIPPED if task in base.tasks and base.tasks[task].share > 0)
    if len(tasks) < 2:
        raise UsageError("a comparison needs two tasks with a share above 0 at least")
    runs: list[PlannedRun] = []
    for condition, change in _conditions(options).items():
        arms = options.arms if condition == WHOLE else IN_SERIES
        for seed in options.seeds:
            settings = replace(base, seed=seed, data_fraction=change[0], label_noise=change[1])
            runs += _of_seed(condition, arms, settings, tasks, options.weighting)
    return Plan(tasks, base, tuple(runs))


def _base(options: Options) -> TrainingConfig:
    """The joint run's configuration, without what the arms decide."""
    base = load_config(options.config, options.preset, options.overrides)
    decided = {
        "temperature": 0.0, "data_fraction": 1.0, "label_noise": 0.0, "seconds": 0.0,
        "validation_fraction": 1.0,
    }  # fmt: skip
    for name, wanted in decided.items():
        if getattr(base, name) != wanted:
            raise UsageError(f"{name} is set, but compare decides it; leave the setting out")
    if base.weighting["name"] != "static":
        raise UsageError(
            f"weighting.name = {base.weighting['name']} is set, but the arms decide it; leave the "
            "setting out and name a method by --weighting"
        )
    steps = options.max_steps
    if options.budget is not None:
        steps = max(1, round(base.steps * options.budget))
    own = {name: task for name, task in base.tasks.items() if name in SHIPPED}
    part = 0.5 if options.split == "validation" else 1.0  # the other half are the held-out cases
    named = _named(options)
    if "seed" in named:
        raise UsageError("seed is set, but compare decides it; name --seeds")
    added = [name for name, one in base.tasks.items() if name not in SHIPPED and one.share > 0]
    if added:
        raise UsageError(
            f"tasks.{added[0]} has a share, but compare knows how to judge {', '.join(SHIPPED)}; "
            "leave it out"
        )
    if "evaluate_every" in named:
        raise UsageError(
            f"evaluate_every is set, but compare looks at every run {LOOKS} times, so that each "
            "has as many checkpoints to choose from; leave the setting out"
        )
    batches = base.evaluate_batches
    if "evaluate_batches" not in named:
        least = min(own[task].micro_tokens or base.micro_tokens for task in own)
        batches = max(batches, math.ceil(LOOK_POSITIONS / least))
    base = replace(base, tasks=own, validation_fraction=part, evaluate_batches=batches)
    return _lasting(base, steps or base.steps, base.steps)


def _named(options: Options) -> set[str]:
    """The settings at the top that the user gave, in a file or one by one; no preset's."""
    named = {text.split("=")[0].strip() for text in options.overrides}
    if options.config is not None:
        named |= set(tomllib.loads(options.config.read_text("utf-8")))
    return named


def _lasting(settings: TrainingConfig, steps: int, whole: int) -> TrainingConfig:
    """The settings for another number of steps than ``whole``, which they were made for."""
    warmup = round(settings.warmup * steps / whole)
    look = math.ceil(steps / LOOKS)
    return replace(
        settings, steps=steps, warmup=max(min(1, settings.warmup), warmup), evaluate_every=look,
        checkpoint_every=min(settings.checkpoint_every, look),
        log_every=min(settings.log_every, look),
    )  # fmt: skip


def _conditions(options: Options) -> dict[str, tuple[float, float]]:
    """The share of the training data and of wrong labels of each condition."""
    found = {WHOLE: (1.0, 0.0)}
    found |= {f"fraction-{share:g}": (share, 0.0) for share in options.fractions if share != 1}
    found |= {f"noise-{rate:g}": (1.0, rate) for rate in options.noise if rate}
    return found


def _of_seed(
    condition: str, arms: Sequence[str], settings: TrainingConfig, tasks: Sequence[str], method: str
) -> Iterator[PlannedRun]:
    """The runs of one seed; those that others begin from come first."""
    seed = settings.seed

    def named(arm: str, task: str = "") -> str:
        which = method if arm == LEARNED else task
        return f"{condition}/{arm}{'-' + which if which else ''}-{seed}"

    def planned(arm: str, settings: TrainingConfig, task: str = "", source: str = "") -> PlannedRun:
        return PlannedRun(named(arm, task), condition, arm, task, seed, settings, source)

    weightings = {JOINT: "static", RANDOM: "rlw", LEARNED: method}
    for arm, name in weightings.items():
        if arm in arms:
            yield planned(arm, replace(settings, weighting={"name": name}))
    if UNRELATED in arms:
        yield planned(UNRELATED, _with_unrelated(settings, tasks))
    for task in tasks:
        yield planned(SINGLE, _alone(settings, task, updates_of(settings, task)), task)
    for task in tasks:
        if TRANSFER in arms:
            alone = _alone(settings, task, updates_of(settings, task))
            source = source_of(settings.tasks, tasks, task)
            yield planned(TRANSFER, alone, task, named(SINGLE, source))
        if SINGLE_COMPUTE in arms:
            yield planned(SINGLE_COMPUTE, _alone(settings, task, settings.steps), task)


def updates_of(settings: TrainingConfig, task: str) -> int:
    """Steps' worth of micro-batches that the joint run of these settings gives a task."""
    sampled = {name: one.share for name, one in settings.tasks.items() if one.share > 0}
    whole = sum(sampled.values())
    micro_batches = settings.steps * settings.accumulation
    drawn = draw_tasks([share / whole for share in sampled.values()], micro_batches, settings.seed)
    count = int((drawn == list(sampled).index(task)).sum())
    return max(1, round(count / settings.accumulation))


def source_of(settings: Mapping[str, TaskConfig], tasks: Sequence[str], target: str) -> str:
    """The task that transfer to ``target`` begins with: of the others, the most trained one."""
    return max((task for task in tasks if task != target), key=lambda task: settings[task].share)


def _alone(settings: TrainingConfig, task: str, steps: int) -> TrainingConfig:
    tasks = {
        name: one if name == task else replace(one, share=0.0)
        for name, one in settings.tasks.items()
    }
    return _lasting(replace(settings, tasks=tasks), steps, settings.steps)


def _with_unrelated(settings: TrainingConfig, tasks: Sequence[str]) -> TrainingConfig:
    share = UNRELATED_SHARE * sum(settings.tasks[task].share for task in tasks)
    added: dict[str, Any] = {**settings.tasks, "reversal": TaskConfig(share=share)}
    steps = round(settings.steps * (1 + UNRELATED_SHARE))
    return _lasting(replace(settings, tasks=added), steps, settings.steps)
