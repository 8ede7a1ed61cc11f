"""One candidate, in a forked process: its tests, and the proof that they passed.

The proof is a token that lies in a pipe until every test has run and passed; then it is read and
handed over. What ends the process early (``os._exit(0)``, a crash, a kill) leaves it there. Before
that, pytest and this harness must be what they were when the candidate was loaded; and in a second
run nothing that functions of the target return may claim to equal an unknown object.

This stops what a model writes by accident or by imitation. It does not stop a program that is
written to deceive: it lives in the same process, so it could find the pipe among its files and
read the token, put pytest's functions back after changing them, change objects that are not
functions (the items, a test module's globals), or tell the second run from the first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import pytest

from . import integrity, session, wire
from .patching import Patch


class Runner:
    """A pytest plugin that notes outcomes and puts the tests in order."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.failing: dict[str, int] = {one: at for at, one in enumerate(setup["failing"])}
        self.covering: dict[str, int] = {one: at for at, one in enumerate(setup["covering"])}
        self.number = {one: at for at, one in enumerate([*self.failing, *self.covering])}
        self.wanted: dict[str, int] = {}
        self.heads: set[str] = set()  # below these, or as their variants, stand the wanted tests
        self.outcomes: dict[str, str | None] = {}
        self.failure: dict[str, Any] | None = None  # the first one
        self.failures: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, float] = {}
        self.profile: Any = None  # set while a test is called
        self.started: Any = lambda number: None

    def want(self, wanted: dict[str, int]) -> None:
        """Choose the tests to be run next."""
        self.wanted = wanted
        self.heads = {head for one in wanted for head in heads(one)}

    def key(self, node: str) -> str | None:
        """The wanted test, or file that could not be imported before, that a test belongs to."""
        if node in self.wanted:
            return node
        while "::" in node:
            node = node.rpartition("::")[0]
            if node in self.wanted:
                return node
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the wanted tests, in the wanted order."""
        chosen = [(self.wanted[key], item) for item in items if (key := self.key(item.nodeid))]
        chosen.sort(key=lambda one: one[0])
        items[:] = [item for _, item in chosen]

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: Any, name: str) -> Any:
        """Make no tests that are not wanted; most of the time of a large test file goes there."""
        node = f"{collector.nodeid}::{name}"
        return None if node in self.heads or self.key(node) else []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        """Note a file that cannot be imported."""
        outcome = yield
        report = outcome.get_result()
        call = report.__dict__.get("call")
        if report.failed and call is not None:
            self.note(call.excinfo, collector, True)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        """Say which test begins."""
        self.started(self.number.get(self.key(item.nodeid) or "", 0))
        self.outcomes.setdefault(item.nodeid, None)
        began = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - began

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        """Watch what functions return, if asked to."""
        if self.profile is None:
            yield
            return
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)
        yield
        sys.setprofile(None)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """Look at the exception while it is there."""
        outcome = yield
        report = outcome.get_result()
        if report.failed:
            self.note(call.excinfo, item, False)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note an outcome."""
        node = report.nodeid
        self.outcomes[node] = outcome = session.outcome(self.outcomes.get(node), report)
        if outcome == "failed" and self.failure is None:
            self.failure = {"message": "", "progress": 0}

    def note(self, excinfo: Any, node: Any, collecting: bool) -> None:
        """Remember a failure."""
        if excinfo is None:
            return
        said = session.failure(excinfo, node, collecting)
        self.failures[node.nodeid] = said
        self.failure = self.failure or said

    def passed(self, wanted: dict[str, int]) -> set[str]:
        """Those of the wanted ones that have passed, whole files only with all their tests."""
        good: set[str] = set()
        bad: set[str] = set()
        self.wanted = wanted
        for node, outcome in self.outcomes.items():
            key = self.key(node)
            if key is not None:
                (good if outcome in ("passed", "xfailed") else bad).add(key)
        return good - bad


def heads(test: str) -> set[str]:
    """The classes and the function, without parameters, through which one comes to a test."""
    parts = test.partition("[")[0].split("::")
    return {"::".join(parts[:end]) for end in range(2, len(parts) + 1)}


class Trial:
    """Runs in the forked process."""

    def __init__(
        self, setup: dict[str, Any], patch: Patch, runner: Runner, seal: integrity.Seal
    ) -> None:
        self.setup, self.patch, self.runner = setup, patch, runner
        self.returned = ""
        self.seal = seal
        self.most = 1  # failures before the run is stopped

    def verify(self, warm: session.Session | None, leave_out: set[str]) -> None:
        """Run everything, failures or not, to compare with the baseline."""
        self.most = 0
        if warm is not None:
            warm.config.option.maxfail = 0
        for one in leave_out:
            self.runner.failing.pop(one, None)

    def run(self, warm: session.Session | None, watch: bool, pipe: int) -> dict[str, Any]:
        """Run the tests; say what came of it."""
        runner = self.runner
        runner.started = lambda number: wire.send(pipe, {"test": number})
        runner.profile = self.profile if watch else None
        error = ""
        began, collecting = time.perf_counter(), 0.0
        try:
            prepared = warm
            if prepared is None:
                prepared = session.Session(self.setup, [runner])
                prepared.quieten()
                prepared.config.option.maxfail = self.most
                prepared.find(self.setup)
                self.seal = integrity.seal()
            for kind, wanted in (("failing", runner.failing), ("covering", runner.covering)):
                if not wanted:
                    continue
                runner.want(wanted)
                wire.send(pipe, {"collecting": kind})
                prepared.collect(kind, self.setup[f"{kind}_files"])
                collecting += time.perf_counter() - began
                prepared.run()
                began = time.perf_counter()
        except BaseException as raised:  # pytest's own way to stop at the first failure, too
            error = f"{type(raised).__name__}: {raised}".strip()
        finally:
            sys.setprofile(None)
        fixed = runner.passed(runner.failing)
        kept = runner.passed(runner.covering)
        done = len(fixed) == len(runner.failing) and len(kept) == len(runner.covering)
        silent = "" if done else "not all tests ran"
        failure = runner.failure or {"message": error or silent, "progress": 0}
        return {
            "passed": done and runner.failure is None and not error and not self.returned,
            "fixed": len(fixed),
            "progress": failure["progress"],
            "message": self.returned or failure["message"],
            "collecting": collecting,
            **({} if self.most else self.everything(fixed, kept)),
            "seen": sorted(self.patch.seen),
        }

    def everything(self, fixed: set[str], kept: set[str]) -> dict[str, Any]:
        """What is to be compared with the baseline."""
        return {
            "fixed_tests": sorted(fixed),
            "kept_tests": sorted(kept),
            "failures": self.runner.failures,
            "times": self.runner.seconds,
            "altered": integrity.altered(self.seal),
        }

    def profile(self, frame: Any, event: str, value: Any) -> None:
        """Look at what functions of target files return."""
        if event != "return" or self.returned:
            return
        if self.patch.target(frame.f_code.co_filename) is None:
            return
        if integrity.equals_everything(value):
            name = frame.f_code.co_name
            self.returned = f"{name} returns an object that says it equals everything"


def prove(
    result: dict[str, Any],
    seal: integrity.Seal | None,
    excused: list[str],
    token: int,
    pipe: int,
) -> None:
    """Hand over the result; a passing one with the token."""
    proof = ""
    if result["passed"]:
        changed = integrity.altered(seal) if seal is not None else []
        changed = [one for one in changed if one not in excused]
        if changed:
            result.update(passed=False, message=f"the candidate changed {changed[0]}")
        else:
            proof = os.read(token, 64).decode()
    wire.send(pipe, {"result": result, "proof": proof})
