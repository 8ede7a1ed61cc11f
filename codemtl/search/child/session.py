"""A pytest session that is prepared once and run many times, each time in a forked process.

pytest's own parts do all the work, in their own order: configuration, session, collection, the
run-test loop. Only the state in between is kept, and what the tests need not hear of (progress on
a terminal, long tracebacks, caches, debuggers, other workers) is switched off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from typing import Any


class Session:
    """pytest configured with the user's arguments."""

    def __init__(self, setup: dict[str, Any], ours: list[Any]) -> None:
        arguments = with_extras(setup["arguments"])
        sys.argv[:] = ["pytest", *setup["arguments"]]
        from _pytest.config import _prepareconfig
        from _pytest.main import Session as PytestSession

        with only_plugins():
            config = _prepareconfig(arguments, ours)
        option = config.option
        switched_off: dict[str, Any] = {
            "maxfail": 0, "usepdb": False, "trace": False, "numprocesses": None, "dist": "no",
            "tx": [], "continue_on_collection_errors": True,
        }  # fmt: skip
        for name, value in switched_off.items():
            if hasattr(option, name):
                setattr(option, name, value)
        config._do_configure()
        self.config = config
        self.session = PytestSession.from_config(config)
        config.hook.pytest_sessionstart(session=self.session)
        self.nodes: dict[str, list[Any]] = {}  # test files that were found, by kind

    def quieten(self) -> None:
        """For candidates: nobody reads what is printed."""
        self.config.option.tbstyle = "no"
        self.config.option.verbose = min(self.config.option.verbose, 0)
        self.config.option.maxfail = 1

    def find(self, setup: dict[str, Any]) -> None:
        """Walk the folders down to the test files of all kinds, and import none of them.

        Once: a session that walks a second time has lost the fixtures of conftest.py.
        """
        files = {kind: setup[f"{kind}_files"] for kind in ("failing", "covering")}
        config: Any = self.config
        hook = config.hook
        config.hook = _Quiet(hook)
        try:
            every = list(dict.fromkeys([*files["failing"], *files["covering"]]))
            found = list(self.session.perform_collect(every, genitems=False))
        finally:
            config.hook = hook
        self.session.items = []
        self.session.testscollected = 0
        for kind, names in files.items():
            wanted = {os.path.realpath(name) for name in names}
            nodes = [node for node in found if os.path.realpath(file_of(node)) in wanted]
            if nodes:
                self.nodes[kind] = nodes

    def collect(self, kind: str, files: list[str]) -> None:
        """Import test files and collect their tests."""
        if kind not in self.nodes:
            self.session.perform_collect(list(files))
            return
        items = [item for node in self.nodes[kind] for item in self.session.genitems(node)]
        hook = self.config.hook
        hook.pytest_collection_modifyitems(session=self.session, config=self.config, items=items)
        self.session.items = items
        hook.pytest_collection_finish(session=self.session)
        self.session.testscollected = len(items)

    def run(self) -> None:
        """Run what was collected, as long as pytest sees a reason to go on."""
        self.config.hook.pytest_runtestloop(session=self.session)


class _Quiet:
    """pytest's hooks, without those that expect a list of tests."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hook, name)

    def pytest_collection_modifyitems(self, **_: Any) -> None:
        """Left out."""

    def pytest_collection_finish(self, **_: Any) -> None:
        """Left out."""


def with_extras(arguments: list[str]) -> list[str]:
    """The user's arguments, and ours."""
    extras = ["--capture=no", "-o", "cache_dir=" + os.path.join(os.environ["TMPDIR"], ".cache")]
    if "pytest_cov.plugin" in entry_points():
        extras.append("--no-cov")
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:at], *extras, *arguments[at:]]


@cache
def plugins() -> tuple[Any, ...]:
    """The installed distributions that bring plugins for pytest; finding them takes long."""
    return tuple(
        one
        for one in metadata.distributions()
        if any(point.group == "pytest11" for point in one.entry_points)
    )


def entry_points() -> set[str]:
    """The modules of those plugins."""
    found = (point for one in plugins() for point in one.entry_points)
    return {point.value for point in found if point.group == "pytest11"}


def rewritten() -> set[str]:
    """The top modules of those distributions: pytest rewrites them all, if it loads them first."""
    tops = {name.partition(":")[0].partition(".")[0] for name in entry_points()}
    for one in plugins():
        parts = [str(file).split("/") for file in one.files or ()]
        tops |= {part[0].removesuffix(".py") for part in parts if part[-1].endswith(".py")}
    return tops


@contextmanager
def only_plugins() -> Iterator[None]:
    """Pytest looks through all distributions, several times; these are all it can find."""
    everything: Any = metadata.distributions
    here: Any = metadata
    found = plugins()
    here.distributions = lambda **_: iter(found)
    try:
        yield
    finally:
        here.distributions = everything


def failing_line(excinfo: Any, file: str) -> int:
    """The last line of a test file that was running when a test failed; 0 if unknown."""
    value = excinfo.value
    failures = getattr(value, "failures", None) or [value]  # of doctest
    example = getattr(failures[0], "example", None)
    test = getattr(failures[0], "test", None)
    if example is not None and test is not None:
        return int((test.lineno or 0) + example.lineno + 1)
    line = 0
    for name, number in frames(value):
        if name == file:
            line = number
    return line


def origin(excinfo: Any, collecting: bool) -> BaseException:
    """The error of a failure; what stops a collection is wrapped by pytest."""
    error: BaseException = excinfo.value
    while collecting and error.__cause__ is not None:
        error = error.__cause__
    return error


def frames(error: BaseException | None) -> list[tuple[str, int]]:
    """File and line of what was running when an error was raised, outermost first."""
    found = []
    info = getattr(error, "exc_info", None)  # of doctest's UnexpectedException
    traceback = error.__traceback__ if error is not None else None
    for one in (traceback, info[2] if isinstance(info, tuple) and len(info) == 3 else None):
        at = one
        while at is not None:
            if at.tb_lineno is not None:
                found.append((at.tb_frame.f_code.co_filename, at.tb_lineno))
            at = at.tb_next
    return found


def failure(excinfo: Any, node: Any, collecting: bool) -> dict[str, Any]:
    """What a failure of a test, or of a collection, shows."""
    return {
        "kind": type(origin(excinfo, collecting)).__name__,
        "message": message_of(excinfo, collecting),
        "progress": failing_line(excinfo, file_of(node)),
    }


def message_of(excinfo: Any, collecting: bool) -> str:
    """One line that says why a test failed."""
    value: Any = origin(excinfo, collecting)
    if collecting:
        return f"{type(value).__name__}: {value}".strip()[-500:].splitlines()[-1]
    failures = getattr(value, "failures", None)
    if failures:
        value = failures[0]
    example = getattr(value, "example", None)
    if example is not None:
        info = getattr(value, "exc_info", None)
        got = repr(info[1]) if info else str(getattr(value, "got", "")).strip()
        return f"{example.source.strip()}: expected {example.want.strip()}, got {got}"[:500]
    lines = excinfo.exconly(tryshort=True).strip().splitlines()
    return lines[0][:500] if lines else type(value).__name__


def outcome(known: str | None, report: Any) -> str | None:
    """The outcome of a test after one more report; a failure stays."""
    if known == "failed" or report.failed:
        return "failed"
    if hasattr(report, "wasxfail"):
        return "xfailed"
    if report.skipped:
        return "skipped"
    if report.when == "call" and report.passed:
        return known or "passed"
    return known


def file_of(node: Any) -> str:
    """The file of a test."""
    return str(getattr(node, "path", None) or getattr(node, "fspath", ""))
