"""What ``codemtl vision`` says: figures of a model, and what was found in pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from codemtl.report.output import complain, print_json, print_line

_OK, _FAILED = 0, 2
_PERCENT = ("accuracy", "ap", "ap50")


def vision_measured(metrics: Mapping[str, Any], folder: Path | None, *, style: str) -> int:
    """Print the figures of a model, and where it was written to; returns the exit code."""
    if style == "json":
        written = None if folder is None else str(folder)
        print_json({"version": 1, **metrics, "folder": written})
        return _OK
    _lines(metrics, "")
    if folder is not None:
        print_line(f"wrote {folder}; use it by --model {folder}", "green")
    return _OK


def _lines(metrics: Mapping[str, Any], prefix: str) -> None:
    for key, value in metrics.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            _lines(value, f"{name} ")
            continue
        if key in _PERCENT:
            text = f"{value:.1%}"
        elif isinstance(value, float):
            text = f"{value:.1f}"
        else:
            text = ", ".join(value) if isinstance(value, list) else str(value)
        print_line(f"{name + ':':30} {text}")


def vision_predicted(pictures: Iterable[Mapping[str, Any]], model: str, *, style: str) -> int:
    """Print what was found in each picture as it comes; returns the exit code."""
    done = []
    for one in pictures:
        done.append(one)
        if style == "text":
            _picture(one)
    if style == "json":
        print_json({"version": 1, "model": model, "images": done})
    return _FAILED if any(one["status"] == "error" for one in done) else _OK


def _picture(one: Mapping[str, Any]) -> None:
    if one["message"]:
        complain(one["message"])
        return
    label = f"{one['label']} {one['probability']:.0%}, " if one["label"] is not None else ""
    boxes = len(one["boxes"])
    print_line(f"{one['path']}: {label}{boxes} box{'' if boxes == 1 else 'es'}", "bold")
    for box in one["boxes"]:
        place = ", ".join(f"{value:.1f}" for value in box["box"])
        print_line(f"    {box['class']} {box['score']:.0%} at {place} (x, y, width, height)")
    print_line(f"    wrote {one['drawn']}")
