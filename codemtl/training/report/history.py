"""The log of a run as series over its steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over the steps of a run."""

    steps: list[int]
    values: list[float]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.values[-1]

    @property
    def mean(self) -> float:
        """Over all rows of the log."""
        return sum(self.values) / len(self.values)

    def smoothed(self) -> list[float]:
        """An average that forgets over a twentieth of the series, without bias at its start."""
        keep = 1 - min(1.0, 20 / max(len(self.values), 1))
        found, total, weight = [], 0.0, 0.0
        for value in self.values:
            total, weight = keep * total + value, keep * weight + 1
            found.append(total / weight)
        return found


class History:
    """Every series of a log, by its key."""

    def __init__(self, series: dict[str, Series]) -> None:
        self.series = series

    @classmethod
    def read(cls, path: Path) -> History:
        """Of a log.jsonl; a line that was cut off is left out."""
        series: dict[str, Series] = {}
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            step = row.pop("step")
            for key, value in row.items():
                one = series.setdefault(key, Series([], []))
                one.steps.append(step)
                one.values.append(value)
        return cls(series)

    def __getitem__(self, key: str) -> Series | None:
        return self.series.get(key)

    def of_tasks(self, tasks: Sequence[str], ending: str) -> dict[str, Series]:
        """By task, the series ``TASK/ENDING`` that there are."""
        keys = {task: f"{task}/{ending}" for task in tasks}
        return {task: self.series[key] for task, key in keys.items() if key in self.series}

    def pairs(self, kind: str) -> dict[tuple[str, str], Series]:
        """The series ``KIND/TASK/OTHER``."""
        found = {}
        for key, series in self.series.items():
            first, _, rest = key.partition("/")
            if first == kind:
                task, _, other = rest.partition("/")
                found[task, other] = series
        return found
