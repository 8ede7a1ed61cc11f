"""Worker processes that end with the call that started them: on Ctrl-C, an error, or its kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import util
from multiprocessing.context import SpawnContext, SpawnProcess
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_SECONDS = 10.0  # that a process has to clear away what it was writing


class _Deaf(SpawnProcess):
    """A process that Ctrl-C does not reach, from its first moment on.

    Until it has imported what it shall do it can ignore no signal, and would die with a traceback.
    """

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Spawning(SpawnContext):
    """How workers are started: spawned, not forked, as the caller may have started threads."""

    Process = _Deaf


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose tasks go through ``task``; an exception ends it without waiting for them."""
    pool = ProcessPoolExecutor(count, mp_context=Spawning(), initializer=_begin)
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
        # else Python complains of semaphores, which a library may have made
        util._run_finalizers()  # type: ignore[attr-defined]
        os._exit(1)


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one; be told to end, not killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait in a thread: a parent that is killed ends nothing, and its workers wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(1)
