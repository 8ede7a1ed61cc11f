"""Starts the process that judges candidates, in the fastest way that tells the truth.

A fork server may be too well prepared (pytest's start already loads a target, or something has
started a thread), or a read-only tree may break the tests. Each way is tried on the code as it is
and must give the baseline's outcomes; if it does not, the next slower one takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codemtl.search import sandbox
from codemtl.search.baseline import Mode, Plan
from codemtl.search.worker import Worker
from codemtl.search.workplace import Workplace

_FACTOR, _SPARE = 4.0, 0.2  # times as long as the code as it is, and seconds
_PATIENCE = 60.0  # seconds for a server to get ready
_UNFINISHED = 0.5  # seconds for a test that failed: nobody knows how long the rest of it takes
_LEAST, _LIKE_OTHERS = 0.1, 20.0  # at least, and times as long as the slowest test that passes
_UNKNOWN = 0.05  # seconds that a test is thought to take at least which never came to its end
_STARTS = 8  # each leaving out what was wrong with the one before


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start a server that is known to work."""

    mode: Mode
    warm: bool = True
    modules: tuple[str, ...] = ()
    collecting: float = 0.0  # seconds, in a prepared server
    times: Mapping[str, float] = field(default_factory=dict)  # of tests, likewise
    excused: tuple[str, ...] = ()  # what the tests themselves change in pytest


class Servers:
    """Starts servers by one recipe, which the first one finds."""

    def __init__(self, place: Workplace, plan: Plan) -> None:
        self.place, self.plan = place, plan
        self.recipe = Recipe(plan.mode, modules=plan.modules)
        self._proven = False
        self._early: Worker | None = None

    def begin(self) -> None:
        """Start the first server already; whoever needs it calls `start`."""
        self._early = self._start()

    def start(self) -> Worker:
        """A server; its first word is still to come, or was good."""
        if self._proven:  # as it worked once: its first word may wait
            return self._start()
        for _ in range(_STARTS):
            worker, self._early = self._early or self._start(), None
            ready = worker.receive(_PATIENCE) or {"ready": False, "wrong": "died"}
            if ready["ready"] and self._proves(worker):
                return worker
            self.place.discard(worker)
            if not ready["ready"]:
                self._weaken(str(ready["wrong"]))
        self.recipe = Recipe("command")
        return self._start()

    def _weaken(self, wrong: str) -> None:
        """Leave out what went wrong."""
        recipe = self.recipe
        kind, _, what = wrong.partition(":")
        if kind == "module":
            self.recipe = replace(recipe, modules=tuple(m for m in recipe.modules if m != what))
        elif kind == "warm" and recipe.warm:
            self.recipe = replace(recipe, warm=False)
        elif recipe.modules:
            self.recipe = replace(recipe, warm=False, modules=())
        else:
            self.recipe = Recipe("command")

    def _start(self) -> Worker:
        recipe, place = self.recipe, self.place
        view = place.view(writable=recipe.mode != "memory")
        if recipe.mode == "command":
            return place.start_command(view)
        return place.start(view, self._setup(view))

    def _setup(self, view: sandbox.View) -> dict[str, Any]:
        recipe, plan, place = self.recipe, self.plan, self.place
        return place.setup(
            view, "serve",
            warm=recipe.warm,
            modules=list(recipe.modules),
            failing=list(plan.failing),
            covering=list(plan.covering),
            failing_files=self._files(view, plan.failing),
            covering_files=self._files(view, plan.covering),
            **self._limits(),
            in_memory=recipe.mode == "memory",
        )  # fmt: skip

    def _limits(self) -> dict[str, Any]:
        """Seconds that a candidate may spend on collecting, and on each test."""
        plan, recipe = self.plan, self.recipe
        usual = {**plan.times, **recipe.times}
        for one in plan.hanging:
            usual.pop(one, None)
        unknown = max(_UNKNOWN, *usual.values()) if usual else _UNKNOWN
        slowest = max((usual.get(one, unknown) for one in plan.covering), default=_UNFINISHED)
        unfinished = min(_UNFINISHED, max(_LEAST, _LIKE_OTHERS * slowest))
        times = [_FACTOR * usual.get(one, unknown) + unfinished for one in plan.failing]
        times += [_FACTOR * usual.get(one, unknown) + _SPARE for one in plan.covering]
        collecting = _FACTOR * (recipe.collecting if self._proven else plan.collecting + 2) + _SPARE
        return {
            "times": times,
            "collecting": collecting,
            "seconds": collecting + sum(times),
            "excused": list(recipe.excused),
        }

    def seconds(self) -> float:
        """Seconds of processor time that one candidate may take at most."""
        if self.recipe.mode == "command":
            return _FACTOR * self.plan.seconds + 1.0
        return float(self._limits()["seconds"])

    def _files(self, view: sandbox.View, tests: tuple[str, ...]) -> list[str]:
        found = dict.fromkeys(self.plan.files[test] for test in tests)
        return [self.place.seen(view, Path(path)) for path in found]

    def _proves(self, worker: Worker) -> bool:
        """Whether the server sees what the baseline saw; how long it takes is learned too."""
        recipe = self.recipe
        if recipe.mode == "command":
            self._proven = True
            return True
        worker.send({"key": -1, "verify": True, "leave_out": list(self.plan.hanging)})
        said = worker.receive(_PATIENCE + 3 * self._limits()["seconds"] * 3)
        if said is not None and "kept_tests" in said and self._agrees(said):
            self.recipe = replace(
                recipe,
                collecting=said["collecting"],
                times=said["times"],
                excused=tuple(said["altered"]),
            )
            self._proven = True
            worker.send({"limits": self._limits()})
            return True
        if recipe.mode == "memory" and self.place.parts is not None:
            self.recipe = replace(recipe, mode="file")
        elif recipe.warm:
            self.recipe = replace(recipe, warm=False)
        else:
            self.recipe = Recipe("command")
        return False

    def _agrees(self, said: dict[str, Any]) -> bool:
        """Whether the same tests fail, at the same place."""
        plan = self.plan
        if said["fixed_tests"] or set(said["kept_tests"]) != set(plan.covering):
            return False
        if self.recipe.mode != "memory":
            return True
        # A read-only tree may make tests fail for a reason of its own.
        same = all(
            one in plan.hanging or one not in said["failures"]
            or (said["failures"][one]["kind"], said["failures"][one]["progress"]) == known
            for one, known in plan.failures.items()
        )  # fmt: skip
        return same and bool(said["seen"])
