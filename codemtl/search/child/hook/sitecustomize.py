"""In any Python that a test command starts, through PYTHONPATH: imports of the user's tree come
from its copy, and where it is asked for, the coverage of target files is noted.

Standard library and the exposed ``coverage`` only. It must never disturb the user's program: each
failure here is silent. On SIGTERM (the time is over) it says where the program was.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from contextlib import suppress
from importlib import util
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))


def _start() -> None:
    targets = json.loads(os.environ["CODEMTL_TARGETS"])
    out = os.environ["CODEMTL_HOOK_DATA"]
    try:
        import coverage
    except ImportError:
        sys.path.append(os.environ["CODEMTL_COVERAGE"])
        try:
            import coverage
        finally:
            sys.path.remove(os.environ["CODEMTL_COVERAGE"])
    os.environ.setdefault("COVERAGE_CORE", "ctrace")
    measured = coverage.Coverage(
        data_file=None, config_file=False, include=targets, check_preimported=False, messages=False
    )
    measured._warn_no_data = False
    pid = os.getpid()

    def save(trace: Any = ()) -> None:
        if os.getpid() != pid:
            return
        with suppress(Exception):
            measured.stop()
            data = measured.get_data()
            lines = {os.path.realpath(one): data.lines(one) for one in data.measured_files()}
            if lines or trace:
                with open(os.path.join(out, f"{pid}-{os.urandom(4).hex()}.json"), "w") as file:
                    json.dump({"lines": lines, "trace": list(trace)}, file)

    def stopped(number: int, frame: Any) -> None:
        trace: list[tuple[str, int]] = []
        while frame is not None:
            name = os.path.realpath(frame.f_code.co_filename)
            if name in targets:
                trace.insert(0, (name, frame.f_lineno))
            frame = frame.f_back
        save(trace)
        os._exit(128 + number)

    atexit.register(save)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stopped)
    measured.start()


def _move() -> None:
    spec = util.spec_from_file_location(
        "_codemtl_relocate", os.path.join(os.path.dirname(_HERE), "relocate.py")
    )
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Moved(*json.loads(os.environ["CODEMTL_MOVED"])).imports()


def _next() -> None:
    """The user's own sitecustomize, which this one hides."""
    sys.path[:] = [one for one in sys.path if os.path.abspath(one or ".") != _HERE]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        if ours is not None:
            sys.modules["sitecustomize"] = ours


if "CODEMTL_MOVED" in os.environ:
    with suppress(Exception):
        _move()
if "CODEMTL_HOOK_DATA" in os.environ:
    with suppress(Exception):
        _start()
with suppress(Exception):
    _next()
