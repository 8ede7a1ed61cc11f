"""Everything that decides a training run, validated when it is made.

A configuration is a TOML file: the keys of `TrainingConfig` at the top, `[model]` and one
`[tasks.NAME]` a task. ``--set tasks.repair.weight=2`` overrides one key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from codemtl.errors import UsageError
from codemtl.model.config import ModelConfig

TASKS = ("repair", "summarize", "generate")


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """One task's part of the mixture: how often it is sampled and how much its loss counts."""

    share: float = 1.0  # q_i, relative to the other tasks
    weight: float = 1.0  # λ_i
    terms: dict[str, float] = field(default_factory=dict)  # weight of each loss term, default 1


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One run of joint training."""

    model: ModelConfig = field(default_factory=ModelConfig)
    tasks: dict[str, TaskConfig] = field(default_factory=lambda: {t: TaskConfig() for t in TASKS})
    steps: int = 1000  # optimizer steps
    accumulation: int = 4  # micro-batches a step, each of one task
    micro_tokens: int = 8192  # pieces of a micro-batch, padding included
    learning_rate: float = 1e-3
    warmup: int = 100  # steps
    final_rate: float = 0.02  # learning rate at the end, relative to the peak
    weight_decay: float = 0.05
    beta2: float = 0.98
    clip: float = 1.0
    dense_share: float = 0.6  # first part of the run with many bugs a function; then one or none
    seed: int = 0
    precision: str = "bf16"  # "no" or "bf16"
    compile: bool = False
    workers: int = 0
    threads: int = 0  # 0: as torch decides
    log_every: int = 10
    evaluate_every: int = 500
    evaluate_batches: int = 12
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        """Check ranges and task names."""
        unknown = [name for name in self.tasks if name not in TASKS]
        if unknown:
            raise UsageError(f"tasks.{unknown[0]}: there is no such task; known: {', '.join(TASKS)}")
        if self.precision not in ("no", "bf16"):
            raise UsageError(f'precision is {self.precision!r}; it must be "no" or "bf16"')
        for name in ("steps", "accumulation", "micro_tokens", "learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.dense_share <= 1:
            raise UsageError(f"dense_share is {self.dense_share}; it must be between 0 and 1")
        if sum(task.share for task in self.tasks.values()) <= 0:
            raise UsageError("every task has share 0; give at least one a share above 0")

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def load_config(
    path: Path | None = None, preset: str | None = None, overrides: Sequence[str] = ()
) -> TrainingConfig:
    """A configuration from a file or a shipped preset, with ``key=value`` overrides.

    Raises UsageError that names the key or file and what would do.
    """
    if path is not None and preset is not None:
        raise UsageError("--config and --preset exclude each other; give one of them")
    values = _read(path, preset or "small")
    for override in overrides:
        _override(values, override)
    return _build(values)


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
    if not equals:
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


def _build(values: Mapping[str, Any]) -> TrainingConfig:
    plain = {key: value for key, value in values.items() if key not in ("model", "tasks")}
    tasks = {
        name: _make(TaskConfig, table, f"tasks.{name}.")
        for name, table in values.get("tasks", {}).items()
    }
    model = _make(ModelConfig, values.get("model", {}), "model.")
    config = _make(TrainingConfig, plain, "")
    return replace(config, model=model, **({"tasks": tasks} if tasks else {}))


def _make(cls: Any, table: Mapping[str, Any], prefix: str) -> Any:
    """Build a dataclass from a table; names and types are checked."""
    known = {item.name: item for item in fields(cls)}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise UsageError(f"{prefix}{key}: there is no such setting{hint}")
        wanted = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}.get(
            str(known[key].type), (object,)
        )
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted and object not in wanted):
            raise UsageError(f"{prefix}{key} is {value!r}; it must be of type {known[key].type}")
    return cls(**table)
