"""What a suite found out: figures for machines, tables and examples for readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from codemtl.syntax.positions import Positions
from codemtl.tasks.metrics import Array, Bin, Interval

PRIOR = 0.01  # of a bug in a function, where the product is used
_AROUND = 12  # lines of a long function that are shown before and after a mark


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One case that went wrong, to be read by a person."""

    title: str
    facts: Sequence[tuple[str, str]]
    code: str  # with numbers of lines, the place marked
    rank: float  # examples are shown by falling rank


@dataclass(slots=True)
class SuiteResult:
    """All about one suite."""

    suite: str
    facts: dict[str, Any]  # what was measured: list, checksum, sizes
    metrics: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    misses: list[Example] = field(default_factory=list)
    false_alarms: list[Example] = field(default_factory=list)
    curves: dict[str, tuple[Array, Array]] = field(default_factory=dict)  # precision, recall
    bins: list[Bin] = field(default_factory=list)  # reliability

    def document(self) -> dict[str, Any]:
        """Its part of the JSON document."""
        return {
            **self.facts,
            "metrics": self.metrics,
            "tables": [asdict(one) for one in self.tables],
            "reliability": [one._asdict() for one in self.bins],
        }


def percent(value: Interval) -> str:
    """``12.3% (10.1-14.5)``."""
    if value.value != value.value:
        return "-"
    return f"{value.value:.1%} ({100 * value.low:.1f}-{100 * value.high:.1f})"


def points(value: Interval) -> str:
    """``12.34 (10.1-14.5)``."""
    if value.value != value.value:
        return "-"
    return f"{value.value:.2f} ({value.low:.1f}-{value.high:.1f})"


def as_json(value: Interval) -> dict[str, float | None]:
    """An interval without NaN, which JSON lacks."""
    return {k: None if v != v else round(v, 6) for k, v in value._asdict().items()}


def marked(
    data: bytes, start: int, end: int, spans: Sequence[tuple[int, int, str]], positions: Positions
) -> str:
    """The lines of a function with their numbers, and below them what each span is.

    ``spans`` are bytes of the file and a word about each. Of a long function only the lines near
    them are shown.
    """
    first, last = positions.line_column(start)[0], positions.line_column(end)[0]
    notes: dict[int, list[str]] = {}
    for low, high, word in sorted(spans):
        line, column = positions.line_column(low)
        stop = positions.line_column(high)
        width = max(1, stop[1] - column) if stop[0] == line else 1
        notes.setdefault(line, []).append(" " * column + "^" * width + f" {word}")
    near = {line + step for line in notes for step in range(-_AROUND, _AROUND + 1)}
    shown: list[str] = []
    skipped = False
    lines = data.decode("utf-8", "replace").split("\n")
    for line in range(first, min(last, len(lines)) + 1):
        if notes and line not in near and line > first + 2:
            skipped = True
            continue
        if skipped:
            shown.append("      …")
            skipped = False
        text = lines[line - 1].rstrip("\r")
        shown.append(f"{line:5} {text}".rstrip())
        shown += ["      " + note for note in notes.get(line, [])]
    return "\n".join(shown)
