"""Has pytest run the user's tests once, under ``child/record``, and hears what it tells."""

from __future__ import annotations

import os
import selectors
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from codemtl.search import sandbox
from codemtl.search.worker import Worker
from codemtl.search.workplace import Workplace

SECONDS_A_TEST = 5.0  # after which a test that is inside a target file is stopped


@dataclass(slots=True)
class Record:
    """What the recording process told."""

    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: list[dict[str, Any]] = field(default_factory=list)  # collections that failed
    started: str = ""
    files: dict[str, str] = field(default_factory=dict)
    collecting: float = 0.0
    done: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    output: str = ""
    late: bool = False


def listen(
    place: Workplace,
    view: sandbox.View,
    leave_out: list[str],
    deadline: float,
    limit: float,
    only: Sequence[str] = (),
    hook: Mapping[str, str] | None = None,
) -> Record:
    """Start a recording and hear it to its end.

    With a ``hook`` processes that the tests start are recorded too, of the tests in ``only``.
    """
    heard = Record()
    with tempfile.TemporaryFile() as output:
        setup = place.setup(
            view, "record", seconds_a_test=min(SECONDS_A_TEST, limit / 4), leave_out=leave_out,
            only=list(only), hook=hook and dict(hook),
        )  # fmt: skip
        worker = place.start(view, setup, output)
        try:
            for frame in frames(worker, deadline):
                if "message" in frame:
                    frame["message"] = place.as_user_knows(view, str(frame["message"]))
                _take(heard, frame)
            heard.late = time.perf_counter() >= deadline
        finally:
            place.end(worker)
        heard.output = place.as_user_knows(view, _tail(output))
    return heard


def frames(worker: Worker, deadline: float) -> Iterator[dict[str, Any]]:
    """What a worker says, until it ends or the deadline (of ``time.perf_counter``) comes."""
    with selectors.DefaultSelector() as selector:
        selector.register(worker.replies, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.perf_counter())):
            frame = worker.receive()
            if frame is None:
                return
            yield frame


def _take(heard: Record, frame: dict[str, Any]) -> None:
    kind = frame["type"]
    if kind == "start":
        heard.started = frame["id"]
        heard.files[frame["id"]] = frame["file"]
    elif kind == "test":
        heard.tests[frame["id"]] = frame
    elif kind == "collect":
        if frame["failed"]:
            heard.broken.append(frame)
        heard.collecting += frame["seconds"]
    elif kind == "done":
        heard.done = frame
    else:
        heard.error = frame


def _tail(output: IO[bytes]) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - 8192))
    return output.read().decode("utf-8", "replace").strip()
