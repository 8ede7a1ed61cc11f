"""Work that takes seconds, done in a thread while tests run in processes of their own."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")
NICE = 5  # priority of the thread, from 0 (that of tests) to 19


class Background(Generic[T]):
    """Runs an iterator in a thread; what it yields is heard by `wait`, but for None.

    An error of the iterator is raised by `wait`. `close` ends it where it yields next, so it should
    often yield, if only None.
    """

    def __init__(self, work: Iterator[T | None]) -> None:
        self._work = work
        self._heard: queue.SimpleQueue[T | BaseException | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self.done = False  # all has been heard
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, seconds: float = 0.0) -> list[T]:
        """What has been yielded since; where nothing has, the next within so many seconds."""
        found: list[T] = []
        while not self.done:
            try:
                one = self._heard.get(timeout=0 if found else seconds)
            except queue.Empty:
                break
            if isinstance(one, BaseException):
                self.done = True
                raise one
            if one is None:
                self.done = True
            else:
                found.append(one)
        return found

    def close(self) -> None:
        """End the work, and wait until it has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(OSError, AttributeError):  # tests go first; only Linux knows this of a thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        try:
            for one in self._work:
                if self._stopped.is_set():
                    break
                if one is not None:
                    self._heard.put(one)
        except BaseException as error:
            self._heard.put(error)
        self._heard.put(None)
