"""Processes that share the making of scenes: Ctrl-C is left to the call that started them.

They end with it, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess

from codemtl.errors import DataError


class _Deaf(SpawnProcess):
    """A process that Ctrl-C does not reach: until it has imported all it could not ignore it."""

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Spawning(SpawnContext):
    """Spawned, not forked: torch may have started threads."""

    Process = _Deaf


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """A pool of as many processes as there are processors. Raises DataError if one is killed."""
    try:
        with ProcessPoolExecutor(mp_context=_Spawning(), initializer=_begin) as pool:
            try:
                yield pool
            except BaseException:
                for one in list(pool._processes.values()):  # they write nothing
                    one.kill()
                raise
    except BrokenProcessPool as error:
        raise DataError(
            "a process that made scenes was killed, perhaps for want of memory; ask for fewer by"
            " --set train_scenes=N"
        ) from error


def _begin() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
