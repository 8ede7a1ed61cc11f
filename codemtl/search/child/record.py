"""Runs the user's tests once, as the code is, and tells what each of them did.

For each test: its outcome and time, the lines of target files that it ran, the lines of target
files on the stack when it failed. A test that never ends inside a target file is stopped, with
the place where it was; one that hangs in C code ends the process, and the next one leaves it out.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from typing import Any

import pytest

from . import children, patching, session, wire


class Stopped(BaseException):
    """A test took too long in a target file."""

    __module__ = "builtins"


class Recorder:
    """A pytest plugin."""

    def __init__(self, setup: dict[str, Any], out: int) -> None:
        self.setup, self.out = setup, out
        self.patch = patching.Patch(setup["targets"])
        self.patch.install()
        self.tests: dict[str, dict[str, Any]] = {}
        self.began = 0.0
        self.coverage: Any = None

    # -- time ----------------------------------------------------------------------------------

    def watch(self, node: Any) -> None:
        """From now on, a test (or a collection) has its time."""
        self.began = time.perf_counter()
        wire.send(self.out, {"type": "start", "id": node.nodeid, "file": session.file_of(node)})
        limit = self.setup["seconds_a_test"]
        signal.signal(signal.SIGALRM, self.alarm)
        signal.setitimer(signal.ITIMER_REAL, limit, 0.5)
        faulthandler.dump_traceback_later(limit * 1.5 + 0.5, exit=True, file=2)

    def unwatch(self) -> float:
        """The end of that time."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        return time.perf_counter() - self.began

    def alarm(self, number: int, frame: Any) -> None:
        """Stop what is inside a target file."""
        while frame is not None:
            if self.patch.target(frame.f_code.co_filename):
                limit = self.setup["seconds_a_test"]
                raise Stopped(f"stopped after {limit:g} seconds")
            frame = frame.f_back
        # Not in a target file: the user's tests are slow, or hang; only the whole run has a limit.
        faulthandler.cancel_dump_traceback_later()

    # -- hooks ---------------------------------------------------------------------------------

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        """Time a collection; tell of one that fails."""
        self.watch(collector)
        outcome = yield
        seconds = self.unwatch()
        report = outcome.get_result()
        call = report.__dict__.get("call")
        said: dict[str, Any] = {}
        if report.failed and call is not None and call.excinfo is not None:
            said = self.failure(call.excinfo, collector, True)
            said["chain"] = comes_from(self.patch, call.excinfo.value)
        wire.send(self.out, {
            "type": "collect", "id": collector.nodeid, "seconds": seconds,
            "failed": bool(said), **said,
        })  # fmt: skip

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        """Time a test; tell what it did."""
        if self.coverage is not None:
            self.coverage.switch_context(item.nodeid)
        self.tests[item.nodeid] = {"outcome": None}
        if self.setup["hook"]:
            self.tell_children(item.nodeid)
        self.watch(item)
        yield
        seconds = self.unwatch()
        if self.coverage is not None:
            self.coverage.switch_context("")
        wire.send(self.out, {
            "type": "test", "id": item.nodeid, "seconds": seconds, **self.tests[item.nodeid],
        })  # fmt: skip

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """Look at the exception while it is there."""
        outcome = yield
        report = outcome.get_result()
        if report.failed and call.excinfo is not None and item.nodeid in self.tests:
            self.tests[item.nodeid].update(self.failure(call.excinfo, item, False))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note an outcome."""
        known = self.tests.get(report.nodeid)
        if known is not None:
            known["outcome"] = session.outcome(known["outcome"], report)

    def tell_children(self, test: str) -> None:
        """Where the processes that a test starts note what they run: a folder of its own."""
        hook, number = self.setup["hook"], self.setup["only"].index(test)
        folder = os.path.join(hook["CODEMTL_HOOK_DATA"], str(number))
        children.tell({**hook, "CODEMTL_HOOK_DATA": folder})

    def failure(self, excinfo: Any, node: Any, collecting: bool) -> dict[str, Any]:
        """What a failure shows, and where in target files it came from."""
        error = session.origin(excinfo, collecting)
        stack = session.frames(error)
        if isinstance(error, SyntaxError) and error.filename and error.lineno:
            stack.append((error.filename, error.lineno))
        trace = [(real, line) for name, line in stack if (real := self.patch.target(name))]
        return {
            **session.failure(excinfo, node, collecting),
            "trace": trace,
            "timed_out": isinstance(excinfo.value, Stopped),
            "fixture": type(excinfo.value).__name__ == "FixtureLookupError",
        }

    # -- the run -------------------------------------------------------------------------------

    def measure(self) -> None:
        """Start coverage; without the library, tests have no lines."""
        try:
            import coverage
        except ImportError:
            sys.path.append(self.setup["coverage"])
            try:
                import coverage
            except Exception:  # ours may be too new for this Python
                return
        os.environ.setdefault("COVERAGE_CORE", "ctrace")  # the one that knows contexts
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=sorted(self.patch.targets),
            check_preimported=False, messages=False,
        )  # fmt: skip
        self.coverage._warn_no_data = False
        self.coverage.start()

    def lines(self) -> dict[str, dict[str, list[int]]]:
        """Lines of target files, by test; those of no test belong to the import."""
        if self.coverage is None:
            return {}
        self.coverage.stop()
        data = self.coverage.get_data()
        found: dict[str, dict[str, list[int]]] = {}
        for file in data.measured_files():
            real = self.patch.target(file)
            if real is None:
                continue
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    found.setdefault(context, {}).setdefault(real, []).append(line)
        return found


def comes_from(patch: patching.Patch, error: BaseException | None) -> bool:
    """Whether an error that stopped a collection may have its cause in a target file.

    It passed through one, or a file asserts something outside of its tests and has loaded one.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if any(patch.target(name) for name, _ in session.frames(error)):
            return True
        names = (getattr(error, "filename", None), getattr(error, "path", None))
        if any(isinstance(name, str) and patch.target(name) for name in names):
            return True
        if isinstance(error, AssertionError) and patch.seen:
            return True
        error = error.__cause__ or error.__context__
    return False


def main(setup: dict[str, Any], out: int) -> int:
    """Run everything; frames tell what happens."""
    patching.keep_byte_code_apart(setup["byte_code"], setup["root"])
    before = set(sys.modules)
    recorder = Recorder(setup, out)
    recorder.patch.install_in_pytest()
    recorder.measure()
    usage = (pytest.UsageError, pytest.exit.Exception, SystemExit)
    try:
        prepared = session.Session(setup, [recorder])
        items: Any = prepared.session.perform_collect()
        skip, only = set(setup["leave_out"]), set(setup["only"])
        items[:] = [
            item for item in items
            if item.nodeid not in skip and (not only or item.nodeid in only)
        ]  # fmt: skip
        prepared.run()
    except usage as error:
        wire.send(out, {"type": "error", "message": str(error)})
        return 0
    except Exception as error:
        hit = comes_from(recorder.patch, error)
        said = f"{type(error).__name__}: {error}"
        if type(error).__name__ == "ConftestImportFailure":
            cause = error.__cause__ or getattr(error, "cause", None) or error
            said = f"conftest.py cannot be imported: {type(cause).__name__}: {cause}"
        wire.send(out, {"type": "error", "message": said, "target": hit})
        return 0
    wire.send(out, {
        "type": "done",
        "lines": recorder.lines(),
        "modules": outside(setup["root"], before),
        "seen": sorted(recorder.patch.seen),
    })  # fmt: skip
    return 0


def outside(root: str, before: set[str]) -> list[str]:
    """The modules that the tests loaded and that do not belong to the tree, in order."""
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        inside = file.startswith(root + os.sep) and "site-packages" not in file
        own = name.partition(".")[0] in ("coverage", "_codemtl_child", "__main__", "__mp_main__")
        spec = getattr(module, "__spec__", None)
        if name not in before and not inside and not own and spec is not None:
            found.append(name)
    return found
