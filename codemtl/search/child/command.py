"""Runs a test command that is not pytest, a fresh process each time, in a private copy."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from typing import Any

from . import wire
from .jail import End, Jail
from .restore import Copy

_TAIL = 4096  # bytes of output that are kept


class Runs:
    """Answers requests until codemtl hangs up."""

    def __init__(self, setup: dict[str, Any], requests: int, out: int) -> None:
        self.setup, self.requests, self.out = setup, requests, out
        self.jail = Jail(setup, requests)
        self.copy = Copy.of(setup)

    def serve(self) -> None:
        """One request after the other."""
        while True:
            frame = wire.receive(self.requests)
            if frame is None:
                return
            request, data = frame
            if self.copy is not None:
                for path, text in wire.texts(request, data):
                    self.copy.write(path, text)
            began = time.perf_counter()
            end, tail = self.run(request["seconds"], request.get("ask", False))
            seconds = time.perf_counter() - began
            if self.copy is not None:
                self.copy.restore()
            wire.send(
                self.out,
                {"key": request["key"], "seconds": seconds, **verdict(end), "tail": tail},
            )

    def run(self, seconds: float, ask: bool) -> tuple[End, str]:
        """The command, once."""
        read, write = os.pipe()
        heard = Tail()
        process = subprocess.Popen(
            ["/bin/sh", "-c", self.setup["command"]], cwd=self.setup["folder"],
            stdin=subprocess.DEVNULL, stdout=write, stderr=write,
            preexec_fn=lambda: self.jail.enter(seconds),  # noqa: PLW1509  (one thread)
        )  # fmt: skip
        os.close(write)
        began = time.monotonic()
        try:
            # Processor time of the shell says nothing of its children: wall time decides.
            end = self.jail.watch(
                process.pid, read, heard.heard,
                lambda: seconds if time.monotonic() - began < seconds else 0.0,
            )  # fmt: skip
            if end.reason == "time" and ask:
                self.jail.ask_to_end(process.pid)
            if end.reason == "exit":
                os.set_blocking(read, False)
                with suppress(BlockingIOError):
                    while data := os.read(read, 1 << 16):
                        heard.heard(data)
        finally:
            self.jail.end(process.pid)
            process.returncode = 0  # reaped above
            os.close(read)
        return end, heard.kept.decode("utf-8", "replace")


class Tail:
    """The end of an output, however long it is."""

    def __init__(self) -> None:
        self.kept = b""

    def heard(self, data: bytes, _: float = 0.0) -> bool:
        """Take in bytes."""
        self.kept = (self.kept + data)[-_TAIL:]
        return False


def verdict(end: End) -> dict[str, Any]:
    """An end, in the words of a verdict."""
    if end.reason == "exit":
        status = "passed" if end.code == 0 else "failed"
        return {"status": status, "code": end.code}
    if end.reason == "time":
        return {"status": "timeout", "code": None}
    return {"status": "crashed", "code": None, "reason": end.reason}


def main(setup: dict[str, Any], requests: int, out: int) -> int:
    """Prepare, then serve."""
    runs = Runs(setup, requests, out)
    wire.send(out, {"ready": True, "wrong": ""})
    runs.serve()
    return 0
