"""Everything that decides a run of the image baseline, checked when it is made."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from codemtl.errors import UsageError

TASKS = ("cls", "det")
LARGEST_SEED = 2**32 - 1  # that numpy takes
MOST_THREADS = 1024  # more are a mistake, of which torch can die
MOST_SIDE = 4096  # pixels: a batch of larger pictures would fill the memory
_CHOICES = {
    "model": ("document", "reference"),
    "weighting": ("static", "uncertainty"),
    "precision": ("auto", "no", "bf16"),
}
_POSITIVE = (
    "num_classes", "num_detections", "image_size", "channels", "steps", "batch_size",
    "learning_rate", "evaluate_every", "checkpoint_every", "train_scenes",
    "validation_scenes", "test_scenes",
)  # fmt: skip
_NOT_NEGATIVE = ("warmup", "weight_decay", "clip", "weight_cls", "weight_det", "seed", "threads")
_OF_THE_DOCUMENT = {
    "steps": 300, "learning_rate": 1e-2, "weight_decay": 0.0, "ema": 0.0, "train_scenes": 16000,
    "weight_cls": 1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """One run. What the data decide (classes, channels) is filled in from them."""

    model: str = "reference"  # or "document"
    tasks: tuple[str, ...] = TASKS
    num_classes: int = 10
    num_detections: int = 5  # boxes a picture at most
    image_size: int = 96  # pixels, both sides; a multiple of 16
    channels: int = 1  # 1: grey, 3: colour
    steps: int = 3300  # optimizer steps
    batch_size: int = 32
    learning_rate: float = 3e-3
    warmup: float = 0.04  # share of the run
    weight_decay: float = 0.05
    clip: float = 10.0  # longest gradient; 0: any
    ema: float = 0.995  # decay of the averaged weights, which are the result; 0: no average
    weighting: str = "static"  # or "uncertainty" (Kendall et al. 2018)
    weight_cls: float = 2.0  # λ of each task, where static
    weight_det: float = 1.0
    train_scenes: int = 60000  # where the data are scenes; of the held-out ones the first so many
    validation_scenes: int = 1000
    test_scenes: int = 2000
    seed: int = 0
    precision: str = "auto"  # "no", "bf16", or "auto": bf16 where the machine is fast at it
    threads: int = 0  # 0: as torch decides
    evaluate_every: int = 500  # steps
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}; it must be {' or '.join(known)}"
                )
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must not be below 0")
        bounds = {"seed": LARGEST_SEED, "threads": MOST_THREADS, "image_size": MOST_SIDE}
        for name, most in bounds.items():
            if getattr(self, name) > most:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at most {most}")
        if not self.tasks or set(self.tasks) - set(TASKS) or len(set(self.tasks)) < len(self.tasks):
            raise UsageError(f"tasks are {','.join(self.tasks)!r}; there are cls, det and cls,det")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema is {self.ema}; it must be from 0 to below 1")
        if self.image_size % 16:
            raise UsageError(f"image_size is {self.image_size}; it must be a multiple of 16")
        if self.channels not in (1, 3):
            raise UsageError(f"channels is {self.channels}; it must be 1 (grey) or 3 (colour)")

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {**asdict(self), "tasks": list(self.tasks)}


def parse_tasks(text: str) -> tuple[str, ...]:
    """Of ``cls``, ``det`` or ``cls,det``, in the order of ``TASKS``; UsageError otherwise."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in TASKS:
            raise UsageError(f"--tasks {text}: there is no task {name!r}; known: cls, det")
    return tuple(name for name in TASKS if name in names)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """The values of ``key=value`` settings, numbers as numbers."""
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting}: expected key=value")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values


def make_config(values: Mapping[str, Any]) -> VisionConfig:
    """A configuration from plain values; raises UsageError for a wrong name, type or range."""
    known = {item.name: str(item.type) for item in fields(VisionConfig)}
    check_names(values, known)
    chosen = dict(values)
    if chosen.get("model") == "document":
        chosen = {**_OF_THE_DOCUMENT, **chosen}
    for key, value in chosen.items():
        if key == "tasks":
            if not isinstance(value, str | list | tuple):
                raise UsageError(f"{key} is {value!r}; it must be cls, det or cls,det")
            names = parse_tasks(value) if isinstance(value, str) else tuple(map(str, value))
            chosen[key] = names
            continue
        wanted = {"int": (int,), "float": (int, float), "str": (str,)}[known[key]]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise UsageError(f"{key} is {value!r}; it must be of type {known[key]}")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{key} is {value!r}; it must be a number that has an end")
    return VisionConfig(**chosen)


def check_names(values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """UsageError for a setting that does not exist, with the nearest that does."""
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"--set {key}: there is no such setting; {hint}")
