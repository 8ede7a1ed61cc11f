"""Starts the process that judges candidates, in the fastest way that tells the truth.

A fork server may be too well prepared (pytest's start already loads a target, or something has
started a thread), or a read-only tree may break the tests. Each way is tried on the code as it is
and must give the baseline's outcomes; if it does not, the next slower one takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codemtl.search import sandbox
from codemtl.search.baseline import Mode, Plan
from codemtl.search.worker import Worker
from codemtl.search.workplace import Workplace

_STARTS = 8  # each leaving out what was wrong with the one before


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start a server that is known to work."""

    mode: Mode
    warm: bool = True
    modules: tuple[str, ...] = ()
    collecting: float = 0.0  # seconds, in a prepared server


class Servers:
    """Starts servers by one recipe, which the first one finds."""

    def __init__(self, place: Workplace, plan: Plan) -> None:
        self.place, self.plan = place, plan
        self.recipe = Recipe(plan.mode, modules=plan.modules)
        self._proven = False

    def start(self) -> Worker:
        """A server, ready for candidates."""
        for _ in range(_STARTS):
            worker = self._start()
            ready = worker.receive() or {"ready": False, "wrong": "died"}
            if ready["ready"] and (self._proven or self._proves(worker)):
                self._proven = True
                return worker
            self.place.discard(worker)
            if not ready["ready"]:
                self._weaken(str(ready["wrong"]))
        self.recipe = Recipe("command")
        worker = self._start()
        worker.receive()
        return worker

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
        times = [self._limit(one) for one in (*plan.failing, *plan.covering)]
        collecting = self._collecting()
        return place.setup(
            view, "serve",
            warm=recipe.warm,
            modules=list(recipe.modules),
            failing=list(plan.failing),
            covering=list(plan.covering),
            failing_files=self._files(view, plan.failing),
            covering_files=self._files(view, plan.covering),
            times=times,
            collecting=collecting,
            seconds=collecting + sum(times),
            in_memory=recipe.mode == "memory",
            original=str(sandbox.original_of(place.way, view)) if view.copy else "",
            keep=[str(one) for one in place.parts.apart] if place.parts else [],
        )  # fmt: skip

    def _limit(self, test: str) -> float:
        """Seconds that a candidate may spend on a test."""
        if test in self.plan.hanging:
            others = [seconds for one, seconds in self.plan.times.items()
                      if one not in self.plan.hanging]  # fmt: skip
            return max(1.0, 4 * max(others, default=0.0))
        return 4 * self.plan.times.get(test, 0.0) + 0.3

    def _files(self, view: sandbox.View, tests: tuple[str, ...]) -> list[str]:
        found = dict.fromkeys(self.plan.files[test] for test in tests)
        return [self.place.seen(view, Path(path)) for path in found]

    def seconds(self) -> float:
        """Seconds that one candidate may take at most."""
        plan, recipe = self.plan, self.recipe
        if recipe.mode == "command":
            return 4 * plan.seconds + 1.0
        tests = sum(self._limit(one) for one in (*plan.failing, *plan.covering))
        return 3 * (tests + self._collecting())

    def _collecting(self) -> float:
        recipe = self.recipe
        spare = 0.3 if recipe.warm else 3.0
        return 4 * max(self.plan.collecting, recipe.collecting) + spare

    def _proves(self, worker: Worker) -> bool:
        """Whether the server sees what the baseline saw."""
        plan, recipe = self.plan, self.recipe
        if recipe.mode == "command":
            return True
        worker.send({"key": -1, "verify": True, "leave_out": list(plan.hanging)})
        said = worker.receive()
        if said is not None and "kept_tests" in said:
            seen = recipe.mode != "memory" or bool(said["seen"])
            if seen and not said["fixed_tests"] and set(said["kept_tests"]) == set(plan.covering):
                self.recipe = replace(recipe, collecting=float(said["collecting"]))
                return True
        if recipe.mode == "memory" and self.place.parts is not None:
            self.recipe = replace(recipe, mode="file")
        elif recipe.warm:
            self.recipe = replace(recipe, warm=False)
        else:
            self.recipe = Recipe("command")
        return False
