"""Judges candidates by the user's tests: several at once, each in a sandbox, none left behind."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from codemtl.ending import tidy
from codemtl.errors import UsageError
from codemtl.search import baseline as recording
from codemtl.search import commands, sandbox
from codemtl.search.outcomes import Baseline, Verdict
from codemtl.search.servers import Servers
from codemtl.search.worker import Worker
from codemtl.search.workplace import Workplace

Text = tuple[Path, bytes]  # a file, and what it is to hold
_SPARE = 10.0  # seconds that a server gets beyond its candidate's limit before it counts as dead
_START = 70.0  # the same for one that is being started


@dataclass(slots=True)
class _Task:
    key: int
    texts: Sequence[Text]


@dataclass(slots=True)
class _Slot:
    worker: Worker | None = None
    task: _Task | None = None
    deadline: float = 0.0
    began: float = 0.0


class Validator:
    """Runs the user's test command on candidates; a context manager.

    Use it from a thread that lives as long as it does (the sandboxes end with the thread that
    started them). ``close`` leaves no process and no temporary folder.

    Raises:
        UsageError: the command cannot be understood, or a target lies outside its tree.
    """

    def __init__(
        self,
        command: str,
        targets: Sequence[Path],
        *,
        jobs: int = 2,
        timeout: float | None = None,
        budget: float = 0.0,
        way: sandbox.Way | None = None,
    ) -> None:
        self._targets = tuple(path.resolve() for path in targets)
        self._command = commands.understand(command, self._targets)
        self.protection = sandbox.protection(way)
        self._timeout, self._budget = timeout, budget
        self._slots = [_Slot() for _ in range(max(1, jobs))]
        self._waiting: deque[_Task] = deque()
        self._done: list[tuple[int, Verdict]] = []
        self._servers: Servers | None = None
        self._plan: recording.Plan | None = None
        self._confirmer: Worker | None = None
        with tidy():
            self._place = Workplace(self._command, self._targets, self.protection.way)
        self._ending = ExitStack()

    def __enter__(self) -> Validator:
        self._ending.enter_context(tidy())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        self._ending.close()

    def close(self) -> None:
        """End every process, remove every temporary file; again is harmless."""
        self._place.close()

    def baseline(self) -> Baseline:
        """Run the command on the code as it is."""
        found, self._plan = recording.record(self._place, self._timeout, self._budget)
        if self._plan is not None:
            self._servers = Servers(self._place, self._plan)
            self._servers.begin()  # it gets ready while the model is loaded
        return found

    @property
    def capacity(self) -> int:
        """How many submissions would start at once."""
        free = sum(slot.task is None for slot in self._slots)
        return max(0, free - len(self._waiting))

    def submit(self, key: int, path: Path, data: bytes, *beside: Text) -> None:
        """Have a file judged as if it held ``data``, and others as ``beside`` has them.

        Raises:
            UsageError: a path is none of the targets.
        """
        if self._servers is None:
            raise UsageError("there is nothing to validate: the baseline has no failing test")
        for one, _ in ((path, data), *beside):
            if one.resolve() not in self._targets:
                raise UsageError(f"{one} is none of the files to be repaired")
        self._waiting.append(_Task(key, ((path, data), *beside)))
        self._feed()

    def wait(self, timeout: float | None = None) -> list[tuple[int, Verdict]]:
        """The verdicts that have come: at least one, unless the time is over or none is due."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._done and any(slot.task is not None for slot in self._slots):
            self._look(end)
            if end is not None and time.monotonic() >= end:
                break
        done, self._done = self._done, []
        return done

    def confirm(self, path: Path, data: bytes, *beside: Text) -> Verdict:
        """Run the user's whole command, unchanged, in a fresh process and a private copy."""
        place, plan = self._place, self._plan
        seconds = self._timeout or recording.SECONDS
        if plan is not None:
            seconds = min(seconds, max(30.0, 10 * plan.seconds))
        if self._confirmer is None:
            self._confirmer = place.start_command(place.view(writable=True))
            self._confirmer.receive(_START)
        worker = self._confirmer
        self._send(worker, {"key": 0, "seconds": seconds}, ((path, data), *beside))
        said = worker.receive(seconds + _SPARE)
        if said is None:
            place.discard(worker)
            self._confirmer = None
            return Verdict("crashed", message="the sandbox ended without a result")
        return _verdict(said)

    # -- inside --------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Give waiting candidates to idle servers."""
        for slot in self._slots:
            while self._waiting and slot.task is None:
                self._give(slot, self._waiting.popleft())

    def _give(self, slot: _Slot, task: _Task) -> None:
        servers = self._servers
        assert servers is not None
        new = slot.worker is None
        if slot.worker is None:
            slot.worker = servers.start()
        worker = slot.worker
        slot.task, slot.began = task, time.monotonic()
        limit = servers.seconds()
        slot.deadline = slot.began + 4 * limit + (_START if new else _SPARE)
        self._send(worker, {"key": task.key, "seconds": limit}, task.texts)

    def _send(self, worker: Worker, header: dict[str, Any], texts: Sequence[Text]) -> None:
        """A request; files are called as the worker sees them."""
        files = [(self._place.seen(worker.view, path.resolve()), len(text)) for path, text in texts]
        worker.send({**header, "files": files}, b"".join(text for _, text in texts))

    def _look(self, end: float | None) -> None:
        """Hear what the servers say, once."""
        busy = [slot for slot in self._slots if slot.task is not None and slot.worker is not None]
        with selectors.DefaultSelector() as selector:
            for slot in busy:
                assert slot.worker is not None
                selector.register(slot.worker.replies, selectors.EVENT_READ, slot)
            until = min(slot.deadline for slot in busy)
            until = until if end is None else min(until, end)
            ready = selector.select(max(0.0, until - time.monotonic()))
        for key, _ in ready:
            slot = key.data
            said = slot.worker.receive()
            if said is not None and "ready" in said:
                slot.began = time.monotonic()
            elif said is None:
                self._lost(slot, "its test process was killed")
            elif slot.task is not None and said.get("key") == slot.task.key:
                self._done.append((slot.task.key, _verdict(said)))
                slot.task = None
        for slot in busy:
            if slot.task is not None and time.monotonic() >= slot.deadline:
                self._lost(slot, "its test process stopped answering")
        self._feed()

    def _lost(self, slot: _Slot, message: str) -> None:
        """A server is gone, and with it its candidate; the next one gets a new server."""
        assert slot.worker is not None and slot.task is not None
        self._place.discard(slot.worker)
        seconds = time.monotonic() - slot.began
        self._done.append((slot.task.key, Verdict("crashed", message=message, seconds=seconds)))
        slot.worker = slot.task = None


def _verdict(said: dict[str, Any]) -> Verdict:
    message = str(said.get("message") or "")
    if not message and "tail" in said and said["status"] != "passed":
        message = (str(said["tail"]).strip().splitlines() or [""])[-1]
    return Verdict(
        said["status"], int(said.get("fixed", 0)), int(said.get("progress", 0)), message[:500],
        float(said["seconds"]),
    )  # fmt: skip
