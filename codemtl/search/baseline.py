"""The user's test command, run once on the code as it is: what fails, and where to look.

Also decides how candidates are validated: patched in memory in a fork server, in a file of a
private copy, or by running the whole command. What a search cannot help with is said in words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from codemtl.search import sandbox
from codemtl.search.outcomes import WHOLE_COMMAND, Baseline, TestOutcome
from codemtl.search.recorder import SECONDS_A_TEST, Record, frames, listen
from codemtl.search.workplace import Workplace

SECONDS = 600.0  # for everything
COMMAND_SECONDS = 180.0  # for a command of which one hears nothing before its end
_AFTER_HANGING = 1.0  # seconds that a command is thought to take which never came to its end
_CHILDREN_SECONDS = 30.0  # that passing tests may take to be run once more
_TRIES = 5  # runs, each leaving out what ended the one before
_GOOD = ("passed", "xfailed")

Mode = Literal["memory", "file", "command"]
_Lines = dict[Path, frozenset[int]]
_Trace = tuple[tuple[Path, int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How candidates are to be validated."""

    mode: Mode
    failing: tuple[str, ...] = ()  # tests to be run first
    covering: tuple[str, ...] = ()  # tests that pass and run a target
    files: Mapping[str, str] = field(default_factory=dict)  # test → its file, as the user sees it
    times: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # kind, line
    hanging: tuple[str, ...] = ()  # of the failing ones, those that never ended
    collecting: float = 0.0
    modules: tuple[str, ...] = ()
    seconds: float = 0.0  # of the whole command


def record(
    place: Workplace, timeout: float | None, budget: float = 0.0
) -> tuple[Baseline, Plan | None]:
    """Run the tests as they are.

    ``budget`` is the time of the search after it, if known: a command that takes longer than that
    cannot be run again for each candidate.
    """
    began = time.perf_counter()
    limit = timeout if timeout is not None else SECONDS
    if place.command.is_pytest:
        baseline, plan = _pytest(place, began + limit, limit)
    else:
        if timeout is None:
            limit = max(COMMAND_SECONDS, budget)
        baseline, plan = _command(place, limit)
    return replace(baseline, seconds=time.perf_counter() - began), plan


# -- pytest ----------------------------------------------------------------------------------------


def _pytest(place: Workplace, deadline: float, limit: float) -> tuple[Baseline, Plan | None]:
    view = place.view(writable=place.parts is not None, record=True)
    lost: dict[str, TestOutcome] = {}
    files: dict[str, str] = {}
    try:
        for _ in range(_TRIES):
            heard = listen(place, view, sorted(lost), deadline, limit)
            heard.files = {**files, **heard.files}
            files = heard.files
            if heard.done or heard.error or heard.late or not heard.started:
                break
            one = _ended(place, view, heard)
            if one.id in lost or "::" not in one.id:
                if not one.trace:
                    return _error(f"{one.id or 'pytest'}: {one.message}\n{heard.output}"), None
                lost[one.id] = one
                break
            lost[one.id] = one
    finally:
        place.drop(view)
    wrong = _hopeless(place, heard, limit)
    if wrong:
        return _error(wrong), None
    if heard.error:  # a target that breaks a conftest: every candidate needs the whole command
        tests: tuple[TestOutcome, ...] = (
            TestOutcome(WHOLE_COMMAND, False, 0.0, message=str(heard.error["message"])),
        )
        return Baseline("failing", "", tests), Plan("command", seconds=limit / 10)
    tests = (*lost.values(), *_outcomes(place, view, heard))
    if not tests:
        return _error(_nothing(heard)), None
    if all(test.passed for test in tests):
        return Baseline("passing", "", tests), None
    own = set((heard.done or {}).get("lines", {}))
    quiet = [one for one in tests if one.id not in own and "::" in one.id and one.id not in lost]
    children = _children(place, quiet, deadline, limit)
    tests = tuple(_with_children(test, children.get(test.id)) for test in tests)
    return _judge(place, view, heard, tests, set(children))


def _judge(
    place: Workplace, view: sandbox.View, heard: Record, tests: tuple[TestOutcome, ...],
    children: set[str],
) -> tuple[Baseline, Plan | None]:  # fmt: skip
    failing = [test for test in tests if not test.passed]
    own = (heard.done or {}).get("lines", {})
    touched = [test for test in failing if test.lines or test.trace]
    seen = bool(heard.done and heard.done["seen"])
    if not touched and not own.get("") and not seen:
        names = ", ".join(path.name for path in place.targets)
        return _error(
            f"{failing[0].id} fails, but no failing test runs {names}: {failing[0].message}; "
            "name the file that the failing tests run"
        ), None
    files = {one: str(place.user_path(view, file)) for one, file in heard.files.items()}
    runs = {*own, *children}
    plan = Plan(
        "memory" if (seen or not heard.done) and not children else "file",
        failing=tuple(test.id for test in sorted(failing, key=lambda one: one.seconds)),
        covering=tuple(test.id for test in tests if test.passed and (test.id in runs or not runs)),
        files=files,
        times={test.id: test.seconds for test in tests},
        failures={
            one["id"]: (one["kind"], one["progress"])
            for one in (*heard.tests.values(), *heard.broken)
            if "kind" in one
        },
        hanging=tuple(test.id for test in failing if test.timed_out),
        collecting=heard.collecting,
        modules=tuple(heard.done["modules"]) if heard.done else (),
        seconds=sum(test.seconds for test in tests) + heard.collecting,
    )
    return Baseline("failing", "", tests), plan


def _children(
    place: Workplace, quiet: list[TestOutcome], deadline: float, limit: float
) -> dict[str, tuple[_Lines, _Trace]]:
    """What processes that tests start run of the targets, by test.

    ``quiet`` are the tests that run nothing of them themselves. Where one of these fails they are
    run once more, the passing ones if they do not take long.
    """
    wanted = [test for test in quiet if not test.passed]
    if not wanted or place.parts is None:
        return {}
    if sum(test.seconds for test in quiet) < _CHILDREN_SECONDS:
        wanted = quiet
    only = [test.id for test in wanted]
    gathered = place.folder / "children"
    for number in range(len(only)):
        (gathered / str(number)).mkdir(parents=True)
    view = place.view(writable=True, record=True)
    view = replace(view, writable=(*view.writable, gathered))
    try:
        listen(place, view, [], deadline, limit, only, place.hook(view, gathered))
        found = {one: place.hooked(view, gathered / str(number)) for number, one in enumerate(only)}
    finally:
        place.drop(view)
    return {one: said for one, said in found.items() if any(said)}


def _with_children(test: TestOutcome, said: tuple[_Lines, _Trace] | None) -> TestOutcome:
    """A test, with the lines and the trace of its children."""
    if said is None:
        return test
    lines = dict(test.lines)
    for path, numbers in said[0].items():
        lines[path] = lines.get(path, frozenset()) | numbers
    return replace(test, lines=lines, trace=(*test.trace, *said[1]))


def _outcomes(place: Workplace, view: sandbox.View, heard: Record) -> list[TestOutcome]:
    lines = heard.done["lines"] if heard.done else {}
    found = []
    for one in [*heard.broken, *heard.tests.values()]:
        if one.get("outcome") in ("skipped", None) and "outcome" in one:
            continue
        run: dict[Path, set[int]] = {}
        for context in ("", one["id"]):
            for file, numbers in lines.get(context, {}).items():
                run.setdefault(place.user_path(view, file), set()).update(numbers)
        trace = tuple((place.user_path(view, file), line) for file, line in one.get("trace", ()))
        for path, line in trace:
            run.setdefault(path, set()).add(line)
        found.append(TestOutcome(
            one["id"], one.get("outcome") in _GOOD, one["seconds"],
            {path: frozenset(numbers) for path, numbers in run.items()}, trace,
            one.get("message", ""), one.get("progress", 0), one.get("timed_out", False),
        ))  # fmt: skip
    return found


def _ended(place: Workplace, view: sandbox.View, heard: Record) -> TestOutcome:
    """The test that took the whole process with it."""
    stack = [
        (match[1], int(match[2]))
        for match in re.finditer(r'File "([^"\n]+)", line (\d+) in ', heard.output)
    ]
    targets = {str(path) for path in place.targets}
    trace = tuple(
        (path, line)
        for name, line in reversed(stack)
        if str(path := place.user_path(view, name)) in targets
    )
    hung = "Timeout (" in heard.output
    message = f"stopped after {SECONDS_A_TEST * 1.5:g} seconds" if hung else "the process ended"
    lines: dict[Path, set[int]] = {}
    for path, line in trace:
        lines.setdefault(path, set()).add(line)
    return TestOutcome(
        heard.started, False, SECONDS_A_TEST if hung else 0.0,
        {path: frozenset(one) for path, one in lines.items()}, trace, message, 0, hung,
    )  # fmt: skip


def _hopeless(place: Workplace, heard: Record, limit: float) -> str:
    """Why no search can help; empty if it can."""
    text = place.command.text
    if heard.late:
        return (
            f"--test {text!r} did not end within {limit:g} seconds (it was at "
            f"{heard.started or 'the start'}); name fewer tests, or give more time"
        )
    if heard.error and heard.error.get("missing") in ("pytest", "_pytest"):
        python = place.command.interpreter
        return f"--test {text!r}: {python.executable if python else 'python'} has no pytest"
    if heard.error and not heard.error.get("target"):
        return f"--test {text!r} cannot run: {heard.error['message']}"
    for one in heard.broken:
        if not one["chain"]:
            return (
                f"{one['id']} cannot be collected, and not because of the file to be repaired: "
                f"{one['message']}; make --test {text!r} run first"
            )
    for name, test in heard.tests.items():
        if test.get("fixture"):
            return f"{name}: {test['message']}; make --test {text!r} run first"
    if heard.done is None and heard.error is None and not heard.started:
        return f"--test {text!r} cannot run: {heard.output or 'its process ended at once'}"
    return ""


def _nothing(heard: Record) -> str:
    skipped = sum(one.get("outcome") == "skipped" for one in heard.tests.values())
    if skipped:
        return f"all {skipped} tests were skipped, so they cannot show a bug"
    return "the command ran no tests; name a file or folder with tests"


# -- any other command -----------------------------------------------------------------------------


def _command(place: Workplace, limit: float) -> tuple[Baseline, Plan | None]:
    view = place.view(writable=True, record=True)
    hook = place.folder / "hook-data"
    hook.mkdir(exist_ok=True)
    view = replace(view, writable=(*view.writable, hook))
    worker = place.start_command(view, hook)
    text = place.command.text
    try:
        worker.receive()
        worker.send({"key": 0, "seconds": limit, "ask": True})
        frame = next(frames(worker, time.perf_counter() + limit + 30), None)
        lines, trace = place.hooked(view, hook)
    finally:
        place.discard(worker)
    if frame is None:
        return _error(f"--test {text!r}: its sandbox ended without a result"), None
    code, tail = frame["code"], place.as_user_knows(view, str(frame["tail"])).strip()
    last = tail.splitlines()[-1] if tail else ""
    if frame["status"] == "passed":
        return Baseline(
            "passing", "", (TestOutcome(WHOLE_COMMAND, True, frame["seconds"], lines),)
        ), None
    if code in (126, 127):
        return _error(f"--test {text!r} cannot start: {last or f'exit code {code}'}"), None
    late = frame["status"] == "timeout"
    if late and not trace:
        return _error(
            f"--test {text!r} did not end within {limit:g} seconds; name fewer tests, or give "
            "more time (--time-budget)"
        ), None
    test = TestOutcome(
        WHOLE_COMMAND, False, frame["seconds"], lines, trace,
        last if not late else f"stopped after {limit:g} seconds", 0, late,
    )  # fmt: skip
    usual = _AFTER_HANGING if late else frame["seconds"]
    return Baseline("failing", "", (test,)), Plan("command", seconds=usual)


def _error(message: str) -> Baseline:
    return Baseline("error", message.strip())
