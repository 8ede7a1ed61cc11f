"""The two models side by side: figures with their intervals, from what `measuring` kept.

Each model gets the threshold at which it flags the same share of the later clean functions, and is
then asked how many bugs it finds. Intervals are 95% bootstrap intervals of each model by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from codemtl.evaluation.results import as_json
from codemtl.finetune.measuring import Kept
from codemtl.tasks.metrics import NOTHING, Array, Interval, bleu, recall_at, same_code, share

RATE = 0.05  # of clean functions flagged
LEAST_REAL = 10  # real bugs, of which a share says something
LEAST_CLEAN = 20  # functions, of which one is the rate


class Figure(NamedTuple):
    """One line of the comparison."""

    task: str
    measure: str
    n: int
    unit: str  # share or points
    before: Interval
    after: Interval

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {**self._asdict(), "before": as_json(self.before), "after": as_json(self.after)}


def compare(before: Mapping[str, Kept], after: Mapping[str, Kept]) -> list[Figure]:
    """Every figure for which there are cases; both hold the same tasks."""
    found: list[Figure] = []
    for task, figures in _FIGURES.items():
        if task in before:
            pairs = zip(figures(before[task]), figures(after[task]), strict=True)
            found += [
                Figure(task, name, n, unit, one, other)
                for (name, n, unit, one), (_, _, _, other) in pairs
                if n
            ]
    return found


def notes(before: Mapping[str, Kept]) -> list[str]:
    """What should be known about the samples."""
    found = []
    repair = before["repair"]
    if 0 < len(repair["real"]) < LEAST_REAL:
        asked, there = len(repair["real"]), repair.get("real_all", len(repair["real"]))
        what = f"later commits hold {there} small bug fixes"
        if asked < there:
            what += f", the time sufficed for {asked} of them"
        found.append(f"{what}: too few for a figure")
    if len(repair["clean"]) < LEAST_CLEAN:
        found.append(
            f"{len(repair['clean'])} clean functions are too few to set a false-positive rate;"
            " read the figures of bugs known to be there"
        )
    for task, what in (("summarize", "docstrings"), ("generate", "lines to mask")):
        if not before[task]["rows"]:
            found.append(f"the later functions have no {what}")
    return found


_Line = tuple[str, int, str, Interval]


def _repair(kept: Kept) -> list[_Line]:
    clean = _numbers([score for _, score in kept["clean"]])
    groups = np.array([number for number, _ in kept["clean"]], int)
    lines: list[_Line] = []
    real = kept["real"] if len(kept["real"]) >= LEAST_REAL else []
    for noun, rows in (("made bugs", kept["bugs"]), ("real bugs", real)):
        scores = _numbers([row[0] for row in rows])
        for word, column in (("located", 1), ("repaired", 2)):
            right = np.array([row[column] for row in rows], bool)
            (found,) = recall_at(clean, groups, scores, right, [RATE])
            at = f"{noun} {word} at {RATE:.0%} false positives"
            lines.append((at, len(rows) if len(clean) else 0, "share", found))
            lines.append((f"{noun} {word}, known to be there", len(rows), "share", share(right)))
    return lines


def _numbers(values: list[float | None]) -> Array:
    return np.array([NOTHING if value is None else value for value in values], float)


def _summarize(kept: Kept) -> list[_Line]:
    texts, references = [row[0] for row in kept["rows"]], [row[1] for row in kept["rows"]]
    return [("docstring BLEU", len(texts), "points", bleu(texts, references))]


def _generate(kept: Kept) -> list[_Line]:
    hits = np.array([same_code(*row) for row in kept["rows"]], bool)
    return [("masked line, exact match", len(hits), "share", share(hits))]


_FIGURES: dict[str, Callable[[Kept], list[_Line]]] = {
    "repair": _repair,
    "summarize": _summarize,
    "generate": _generate,
}
