"""The same work on many cases: here, or in processes that load the model once each."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from codemtl.corpus import processes
from codemtl.corpus.processes import Spawning, end_with_parent
from codemtl.ending import tidy
from codemtl.errors import ModelError

T = TypeVar("T")
R = TypeVar("R")

_own: list[Any] = []  # what the tasks of this process work with


def run(
    task: Callable[[Any, T], R],
    cases: Sequence[T],
    make: Callable[[], Any],
    jobs: int,
    label: str,
) -> list[R]:
    """``task(made, case)`` for each case, in order; ``made`` is what ``make`` gives a process.

    With one job everything happens in this process. ``task`` and ``make`` must be importable by
    name. An interrupt ends the processes at once, and so does the end of this one. Raises
    ModelError if one of them dies.
    """
    if jobs <= 1 or len(cases) < 2:
        made = make()
        return [task(made, case) for case in _bar(cases, len(cases), label)]
    pool = ProcessPoolExecutor(min(jobs, len(cases)), Spawning(), _start, (make,))
    try:
        with tidy():
            return list(_bar(pool.map(_Call(task), cases), len(cases), label))
    except BrokenProcessPool as error:
        raise ModelError(
            f"a process ended while {label}, perhaps for lack of memory; try fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


class _Call:
    """``task`` with what the process made."""

    def __init__(self, task: Callable[[Any, T], R]) -> None:
        self.task = task

    def __call__(self, case: Any) -> Any:
        return processes.task(self.task, _own[0], case)


def _start(make: Callable[[], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    threading.Thread(target=end_with_parent, daemon=True).start()
    _own[:] = [make()]


def _bar(cases: Any, total: int, label: str) -> Iterator[Any]:
    """A bar on standard error, on a terminal."""
    if not sys.stderr.isatty():
        yield from cases
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(cases, label, total, console=Console(stderr=True), transient=True)
