"""One sandboxed process, as codemtl sees it: frames go in and come out; killing it ends all."""

from __future__ import annotations

import os
import selectors
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

    def __init__(self, view: sandbox.View) -> None:
        self.view = view
        self.process: subprocess.Popen[bytes] | None = None
        self.replies = self._requests = -1

    def start(
        self,
        way: sandbox.Way,
        python: Interpreter | None,
        environment: dict[str, str],
        setup: dict[str, Any],
        output: IO[bytes] | None = None,
    ) -> None:
        """Start the process; it must be known to who will kill it before."""
        requests_read, self._requests = os.pipe()
        self.replies, replies_write = os.pipe()
        # -B: what a .pth file imports from the user's tree leaves no byte code there
        start = (
            [python.executable, "-B", *python.options] if python else [sys.executable, "-I", "-B"]
        )
        words = [
            *start, "-c", sandbox.BOOT, str(sandbox.CHILD), str(requests_read), str(replies_write),
        ]  # fmt: skip
        try:
            self.process = subprocess.Popen(
                sandbox.command(way, self.view, words), pass_fds=(requests_read, replies_write),
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

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next reply; None if the process is gone, or says nothing for so many seconds."""
        if timeout is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.replies, selectors.EVENT_READ)
                if not selector.select(max(0.0, timeout)):
                    return None
        try:
            frame = wire.receive(self.replies)
        except (OSError, ValueError):
            return None
        return frame[0] if frame is not None else None

    def kill(self) -> None:
        """End the process and all that it started; again is harmless."""
        if self.process is not None:
            if self.process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        for fd in (self._requests, self.replies):
            if fd >= 0:
                os.close(fd)
        self.replies = self._requests = -1
