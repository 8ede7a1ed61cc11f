"""One sandboxed process, as codemtl sees it: frames go in and come out; killing it ends all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

from codemtl.search import sandbox
from codemtl.search.child import wire
from codemtl.search.commands import Interpreter


class Worker:
    """Owns the process and its two pipes."""

    def __init__(
        self,
        way: sandbox.Way,
        view: sandbox.View,
        python: Interpreter | None,
        environment: dict[str, str],
        setup: dict[str, Any],
        output: IO[bytes] | None = None,
    ) -> None:
        self.view = view
        requests_read, self._requests = os.pipe()
        self.replies, replies_write = os.pipe()
        start = [python.executable, *python.options] if python else [sys.executable, "-I", "-B"]
        words = [
            *start, "-c", sandbox.BOOT, str(sandbox.CHILD), str(requests_read), str(replies_write),
        ]  # fmt: skip
        try:
            self.process = subprocess.Popen(
                sandbox.command(way, view, words), pass_fds=(requests_read, replies_write),
                stdin=subprocess.DEVNULL, stdout=output or subprocess.DEVNULL,
                stderr=output or subprocess.DEVNULL, env=environment, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(requests_read)
            os.close(replies_write)
        self.send(setup)

    def send(self, header: dict[str, Any], data: bytes = b"") -> bool:
        """Hand in a request; False if the process is gone."""
        try:
            wire.send(self._requests, header, data)
        except BrokenPipeError:
            return False
        return True

    def receive(self) -> dict[str, Any] | None:
        """The next reply; None if the process is gone."""
        try:
            frame = wire.receive(self.replies)
        except (OSError, ValueError):
            return None
        return frame[0] if frame is not None else None

    def kill(self) -> None:
        """End the process and all that it started; again is harmless."""
        if self.replies < 0:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        os.close(self._requests)
        os.close(self.replies)
        self.replies = self._requests = -1
