"""How far a run is by its time budget; a run without one goes by its steps alone.

The time counts from the beginning of the first step, validation and checkpoints included. Room is
left for what follows the last step: once a tenth of the time is over, all of it is done once and
measured. A run by the clock is not repeatable to the bit: its steps depend on the machine's pace.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import Any

from accelerate import Accelerator

from codemtl.training.config import TrainingConfig
from codemtl.training.gradients import agreed

WARMUP = 0.1  # of the steps to expect, at most
REHEARSAL = 0.1  # of the time until what follows the last step is measured
MARGIN = 1.25  # of that measure: a validation may last longer, and workers have to end
_PACED = 10  # steps after which the pace is known; the first ones compile and allocate


class Clock:
    """The time of one run; ``progress`` and ``warmup`` are the same on all ranks."""

    def __init__(self, config: TrainingConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        self.progress = 0.0  # share of the time that is over; 0 without a budget
        self.warmup: float = config.warmup  # steps
        self.reserve: float | None = None  # seconds of what follows the last step
        self.fastest = inf  # seconds of a step
        self.ticks = 0
        self.spent = 0.0  # seconds until the last tick
        self.since: float | None = None  # when the run would have begun, had it not been stopped

    @property
    def over(self) -> bool:
        """Whether the time has come to end."""
        return self.progress >= 1

    @property
    def nearly_over(self) -> bool:
        """Whether no time is left for what follows the last step to be done once more before it."""
        reserve = self.reserve or 0.0
        return reserve > 0 and self._seconds() + 2 * reserve > self.config.seconds

    @property
    def rehearses(self) -> bool:
        """Whether it is time to do once what follows the last step."""
        return self.reserve is None and self.progress >= REHEARSAL

    def start(self) -> None:
        """Called before each step; the first one begins the time."""
        if self.since is None:
            self.since = monotonic() - self.spent

    def tick(self) -> None:
        """Called after each step."""
        budget = self.config.seconds
        if not budget:
            return
        before, self.spent = self.spent, self._seconds()
        self.fastest = min(self.fastest, self.spent - before)
        self.ticks += 1
        if self.ticks >= _PACED:
            self.warmup = min(self.config.warmup, WARMUP * budget / self.fastest)
        step = self.fastest if self.ticks > 1 else 0.0
        left = budget - (self.reserve or 0.0) - step
        progress = min(1.0, self.spent / left) if left > 0 else 1.0
        progress = max(progress, self.progress)
        self.progress, self.warmup = agreed([progress, self.warmup], self.accelerator)

    def put_aside(self) -> None:
        """From the rehearsal on, keep room for work like that since the last tick."""
        if self.progress >= REHEARSAL:
            self.reserve = max(self.reserve or 0.0, MARGIN * (self._seconds() - self.spent))

    def place(self, number: int, total: int) -> int:
        """Where in the curriculum micro-batch ``number`` of ``total`` stands if it is made now."""
        return max(number, int(self.progress * total))

    def _seconds(self) -> float:
        return self.spent if self.since is None else monotonic() - self.since

    def state_dict(self) -> dict[str, Any]:
        """As plain values for JSON; empty without a budget."""
        if not self.config.seconds:
            return {}
        return {
            "spent": self._seconds(), "progress": self.progress,
            "warmup": self.warmup, "reserve": self.reserve,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.spent = state.get("spent", 0.0)
        self.progress = state.get("progress", 0.0)
        self.warmup = state.get("warmup", self.config.warmup)
        self.reserve = state.get("reserve")
