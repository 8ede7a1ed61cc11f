"""Everything that decides a training run, validated when it is made.

A configuration is a TOML file: the keys of `TrainingConfig` at the top, `[model]`, `[weighting]`
and one `[tasks.NAME]` a task. ``--set tasks.repair.weight=2`` overrides one key.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from codemtl.errors import UsageError
from codemtl.machine import total_memory
from codemtl.model.config import ModelConfig
from codemtl.tasks.registry import SHIPPED, TASKS
from codemtl.tasks.task import TextTask
from codemtl.training.weighting import check

T = TypeVar("T")
PRECISIONS = ("auto", "no", "bf16")
LARGEST_SEED = 2**32 - 1  # that numpy takes
MOST_THREADS = 1024  # more are a mistake, of which torch can die
MOST_WORKERS = 256  # processes; more are a mistake, which fills the memory
_TRAINED = 12  # bytes a parameter at least: weight, gradient, momentum
_POSITIVE = (
    "steps", "accumulation", "micro_tokens", "learning_rate", "clip", "log_every",
    "evaluate_every", "evaluate_batches", "checkpoint_every", "diagnose_every", "real_every",
)  # fmt: skip
_NOT_NEGATIVE = (
    "warmup", "workers", "threads", "seed", "weight_decay", "final_rate", "temperature",
    "affinity_every", "encoder_rate", "frozen_layers", "seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """One task's part of the mixture: how often it is sampled and how much its loss counts."""

    share: float = 1.0  # q_i of the micro-batches, relative to the other tasks
    weight: float = 1.0  # λ_i
    micro_tokens: int = 0  # pieces of a micro-batch; 0: as the run's
    stages: dict[str, float] = field(default_factory=dict)  # curriculum: shares of the run, in turn
    terms: dict[str, float] = field(default_factory=dict)  # weight of each loss term, default 1


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One run of joint training."""

    model: ModelConfig = field(default_factory=ModelConfig)
    tasks: dict[str, TaskConfig] = field(default_factory=lambda: {t: TaskConfig() for t in SHIPPED})
    steps: int = 1000  # optimizer steps
    seconds: float = 0.0  # time budget from the first step on: ends a run before its steps; 0: none
    accumulation: int = 4  # micro-batches a step, each of one task
    micro_tokens: int = 8192  # pieces of a micro-batch, padding included
    learning_rate: float = 1e-3
    encoder_rate: float = 0.0  # of a pretrained trunk, relative; 0: 0.05, with LoRA 0.3
    frozen_layers: int = 0  # so many of the encoder's first layers stay, and with them all words
    warmup: int = 100  # steps
    final_rate: float = 0.02  # learning rate at the end, relative to the peak
    weight_decay: float = 0.05
    beta2: float = 0.98
    clip: float = 1.0
    temperature: float = 0.0  # T > 0: q_i ∝ (examples of the task)^(1 / T), and shares only select
    weighting: dict[str, Any] = field(default_factory=lambda: {"name": "static"})
    data_fraction: float = 1.0  # share of the training examples that is used, drawn by the seed
    real_every: int = 4  # in the stage "real": one in so many micro-batches holds real bugs
    real_clean: float = 0.5  # there, of the other functions: the share without a bug
    label_noise: float = 0.0  # share of the training examples whose labels are made wrong
    validation_fraction: float = 1.0  # share of the validation examples that choose the checkpoint
    seed: int = 0
    precision: str = "auto"  # "no", "bf16", or "auto": bf16 where the machine is fast at it
    compile: bool = False  # the encoder's layers
    compile_heads: bool = False  # with them words and heads; not yet tried on a GPU
    flash: bool = False  # on a GPU in bf16: no padding, FlashAttention; not yet tried on one
    workers: int = 0
    threads: int = 0  # 0: as torch decides
    log_every: int = 10
    evaluate_every: int = 500
    evaluate_batches: int = 12
    checkpoint_every: int = 500
    diagnose_every: int = 100  # steps between comparisons of the tasks' gradients
    affinity_every: int = 0  # steps between look-aheads at what each task does to the others

    def __post_init__(self) -> None:
        """Check ranges and task names."""
        unknown = [name for name in self.tasks if name not in TASKS]
        if unknown:
            known = ", ".join(TASKS)
            raise UsageError(f"tasks.{unknown[0]}: there is no such task; known: {known}")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise UsageError(f"precision is {self.precision!r}; it must be one of {known}")
        _check_finite(self)
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must not be below 0")
        bounds = {"seed": LARGEST_SEED, "threads": MOST_THREADS, "workers": MOST_WORKERS}
        for name, most in bounds.items():
            if getattr(self, name) > most:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at most {most}")
        for name in ("data_fraction", "validation_fraction"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0, at most 1")
        if self.frozen_layers and self.model.encoder:
            raise UsageError(
                f"frozen_layers is {self.frozen_layers}, but model.encoder = {self.model.encoder} "
                "has layers of its own; set model.tuning to frozen or lora"
            )
        if self.frozen_layers > self.model.layers:
            raise UsageError(
                f"frozen_layers is {self.frozen_layers}, but the encoder has {self.model.layers}"
            )
        for name in ("label_noise", "real_clean"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if not 0 < self.beta2 < 1:
            raise UsageError(f"beta2 is {self.beta2}; it must be between 0 and 1")
        for name, task in self.tasks.items():
            _check_task(name, task)
        if sum(task.share for task in self.tasks.values()) <= 0:
            raise UsageError("every task has share 0; give at least one a share above 0")
        added = tuple(
            name for name, task in self.tasks.items()
            if task.share > 0 and name not in SHIPPED and isinstance(TASKS[name], TextTask)
        )  # fmt: skip
        object.__setattr__(self, "model", replace(self.model, added_tasks=added))
        method = check(self.weighting)
        if (method.on_gradients or method.wants_norms) and self.accumulation == 1:
            raise UsageError(
                f"weighting.name = {self.weighting['name']} needs the gradients of several tasks "
                "in one step, but accumulation is 1, one task a step; set accumulation to 2 or more"
            )
        if (method.on_gradients or method.wants_norms) and self.frozen_layers == self.model.layers:
            raise UsageError(
                f"weighting.name = {self.weighting['name']} looks at what the tasks want of shared "
                f"layers, but frozen_layers = {self.frozen_layers} leaves none; set fewer"
            )

    def stages(self, task: str) -> dict[str, float]:
        """The curriculum of a task: its stages in turn and their shares of the run."""
        return self.tasks[task].stages or dict(TASKS[task].curriculum)

    def stage(self, task: str, number: int, total: int) -> str:
        """The stage at micro-batch ``number`` of ``total``; "" for a task without stages."""
        stages = self.stages(task)
        whole, before = sum(stages.values()), 0.0
        for name, share in stages.items():
            before += share
            if share > 0 and number < int(total * (before / whole)):
                return name
        return self.last_stage(task)

    def last_stage(self, task: str) -> str:
        """The stage that a run ends with."""
        return ([""] + [name for name, share in self.stages(task).items() if share > 0])[-1]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {**asdict(self), "model": self.model.to_dict()}


def _check_finite(config: TrainingConfig) -> None:
    """Raise UsageError that names a setting, in tables too, that is inf or nan."""
    values = asdict(config)
    del values["model"]["trunk"]  # is no setting
    pending: list[tuple[str, Any]] = [("", values)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{name}.{key}".lstrip("."), inner) for key, inner in value.items()]
        elif isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{name} is {value}; it must be a finite number")


def _check_task(name: str, task: TaskConfig) -> None:
    values = {"share": task.share, "weight": task.weight, "micro_tokens": task.micro_tokens}
    for term, value in task.terms.items():
        if term not in TASKS[name].terms:
            known = ", ".join(TASKS[name].terms)
            raise UsageError(f"tasks.{name}.terms.{term}: there is no such loss; known: {known}")
        values[f"terms.{term}"] = value
    for stage, value in task.stages.items():
        if stage not in TASKS[name].stages:
            known = ", ".join(TASKS[name].stages) or "none"
            raise UsageError(f"tasks.{name}.stages.{stage}: there is no such stage; known: {known}")
        values[f"stages.{stage}"] = value
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise UsageError(f"tasks.{name}.{key} is {value!r}; it must be a number, 0 or above")
    if task.stages and not sum(task.stages.values()):
        raise UsageError(f"every stage of tasks.{name}.stages has share 0; give one a share above")


def load_config(
    path: Path | None = None, preset: str | None = None, overrides: Sequence[str] = ()
) -> TrainingConfig:
    """A configuration from a file or a shipped preset, with ``key=value`` overrides.

    Raises UsageError that names the key or file and what would do.
    """
    if path is not None and preset is not None:
        raise UsageError("--config and --preset exclude each other; give one of them")
    values = _read(path, preset or "small")
    values.setdefault("tasks", {task: {} for task in SHIPPED})
    for override in overrides:
        _override(values, override)
    if "added_tasks" in _table(values.get("model", {}), "model"):
        raise UsageError("model.added_tasks follows from [tasks]; leave the setting out")
    config, usual = config_from_dict(values), ModelConfig()
    _check_memory(config.model)
    for name in ("actions", "families"):
        stated, right = getattr(config.model, name), getattr(usual, name)
        if stated != right:
            raise UsageError(
                f"model.{name} is {stated}, but codemtl's repairs have {right}; "
                "leave the setting out"
            )
    return config


def _check_memory(model: ModelConfig) -> None:
    """UsageError for a model that the machine's memory cannot hold while it is trained."""
    layer = 4 * model.width**2 + 3 * model.width * model.hidden
    parameters = model.vocab_size * model.width + (0 if model.encoder else model.layers) * layer
    there = total_memory()
    if parameters * _TRAINED > there:
        raise UsageError(
            f"the model would have {parameters / 1e9:,.1f} billion parameters at least, which take "
            f"{parameters * _TRAINED >> 30:,} GiB to train; this machine has {there >> 30}; lower "
            "model.width, model.hidden, model.layers or model.vocab_size"
        )


def _read(path: Path | None, preset: str) -> dict[str, Any]:
    if path is None:
        folder = resources.files("codemtl.training") / "configs"
        names = sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name[-5:] == ".toml")
        if preset not in names:
            raise UsageError(f"there is no preset {preset!r}; known: {', '.join(names)}")
        text = (folder / f"{preset}.toml").read_text("utf-8")
    else:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the configuration {path}: {error}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path or preset}: not valid TOML: {error}") from error


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {override}: expected key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    target = values
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise UsageError(f"--set {override}: {parent} is a value, not a table")
    target[last] = value


def config_from_dict(values: Mapping[str, Any]) -> TrainingConfig:
    """From plain values, as `TrainingConfig.to_dict` makes them. Raises UsageError."""
    plain = {key: value for key, value in values.items() if key not in ("model", "tasks")}
    tasks = {
        name: _make(TaskConfig, table, f"tasks.{name}.")
        for name, table in _table(values["tasks"], "tasks").items()
    }
    if not tasks:
        raise UsageError(f"[tasks] is empty; name at least one of {', '.join(TASKS)}")
    sizes = {
        k: v for k, v in _table(values.get("model", {}), "model").items() if k != "added_tasks"
    }
    model = _make(ModelConfig, sizes, "model.")
    if "weighting" in plain:
        plain["weighting"] = {"name": "static", **_table(plain["weighting"], "weighting")}
    return _make(TrainingConfig, {**plain, "model": model, "tasks": tasks}, "")


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{name} is {value!r}; it must be a table of settings")
    return value


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "str": (str,), "bool": (bool,),
    "dict[str, float]": (dict,), "dict[str, Any]": (dict,),
}  # fmt: skip


def _make(cls: type[T], table: Any, prefix: str) -> T:
    """Build a dataclass from a table; names and types are checked."""
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    for key, value in _table(table, prefix.rstrip(".")).items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise UsageError(f"{prefix}{key}: there is no such setting{hint}")
        kind = str(known[key].type)
        wanted = _TYPES.get(kind, (object,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and int in wanted):
            raise UsageError(f"{prefix}{key} is {value!r}; it must be of type {kind}")
    return cls(**table)
