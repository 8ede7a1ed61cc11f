"""What joint training gained in the image baseline, read from its runs' own figures.

``scripts/bench_vision.py`` writes folders MODEL-TASKS-SEED with metrics.json: ``cls-det`` is the
joint run, ``cls`` and ``det`` each task alone. Nothing of the image baseline is imported.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from codemtl.errors import DataError, UsageError

BOTH = "cls-det"
FIGURES = {"accuracy": ("accuracy", "cls"), "ap": ("AP", "det")}  # key -> name, the task alone


def image_gains(folder: Path) -> dict[str, Any]:
    """By model and figure the gain of both tasks together, seed by seed.

    Raises UsageError if the folder holds no pair of runs, DataError for figures that are damaged.
    """
    found = {path.parent.name: _figures(path) for path in sorted(folder.glob("*-*-*/metrics.json"))}
    gains: dict[str, Any] = {}
    for name, both in found.items():
        head, _, seed = name.rpartition("-")
        if not head.endswith(f"-{BOTH}"):
            continue
        model = head.removesuffix(f"-{BOTH}")
        for key, (figure, task) in FIGURES.items():
            alone = found.get(f"{model}-{task}-{seed}")
            if alone is not None and key in both and key in alone:
                row = gains.setdefault(model, {}).setdefault(figure, {"joint": [], "single": []})
                row["joint"].append(float(both[key]))
                row["single"].append(float(alone[key]))
    if not gains:
        raise UsageError(
            f"--images {folder} holds no runs of the image baseline; name the folder that "
            "scripts/bench_vision.py wrote"
        )
    return {
        model: {figure: _gain(**row) for figure, row in figures.items()}
        for model, figures in gains.items()
    }


def _figures(path: Path) -> dict[str, Any]:
    try:
        test: dict[str, Any] = json.loads(path.read_text("utf-8"))["test"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no figures of the image baseline: {error!r}") from error
    return test


def _gain(joint: list[float], single: list[float]) -> dict[str, Any]:
    each = [one - other for one, other in zip(joint, single, strict=True)]
    return {
        "joint": statistics.mean(joint), "single": statistics.mean(single),
        "gain": statistics.mean(each), "seeds": len(each),
        "deviation": statistics.stdev(each) if len(each) > 1 else None,
    }  # fmt: skip
