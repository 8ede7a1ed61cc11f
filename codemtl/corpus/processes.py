"""Worker processes that end with the call that started them, also on Ctrl-C or an error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_SECONDS = 10.0  # that a process has to clear away what it was writing


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose tasks go through ``task``; an exception ends it without waiting for them."""
    # Spawned, not forked: the caller may have started threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BaseException:
        running = list(pool._processes.values())  # none of them are left after the next line
        pool.shutdown(wait=False, cancel_futures=True)
        for one in running:
            one.terminate()
        for one in running:
            one.join(_SECONDS)
            if one.is_alive():
                one.kill()
        raise
    pool.shutdown()


def task(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function in a worker; a worker that is told to end begins nothing afterwards."""
    try:
        return function(*arguments, **named)
    except SystemExit:
        os._exit(1)


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one; be told to end, not killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(1)
