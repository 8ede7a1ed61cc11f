"""The fork server: pytest and what the tests import, loaded once; then one fork a candidate.

It never holds a target file, nor anything that imports one, and has one thread: else it says so
and ends, and is started again with less prepared.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from . import integrity, patching, session, wire
from .jail import Jail
from .restore import Copy


class Server:
    """Answers requests until codemtl hangs up."""

    def __init__(self, setup: dict[str, Any], requests: int, out: int) -> None:
        self.setup, self.requests, self.out = setup, requests, out
        self.patch = patching.Patch(setup["targets"])
        self.patch.install()
        patching.keep_byte_code_apart(setup["byte_code"], setup["root"])
        sys.dont_write_bytecode = True
        self.warm: session.Session | None = None

    def prepare(self) -> str:
        """Load what candidates share; says what is wrong with it, or nothing."""
        # pytest rewrites its plugins when it loads them, so nobody else may load them first.
        own = session.rewritten()
        later = [name for name in self.setup["modules"] if name.partition(".")[0] in own]
        wrong = load(name for name in self.setup["modules"] if name not in later)
        if wrong:
            return wrong
        from . import trial

        self.patch.install_in_pytest()
        self.runner = trial.Runner(self.setup)
        if self.setup["warm"]:
            try:
                self.warm = session.Session(self.setup, [self.runner])
                self.warm.quieten()
                self.warm.find(self.setup)
                wrong = load(later)
                if wrong:
                    return wrong
            except BaseException as error:
                return f"warm:{type(error).__name__}: {error}"
        if threads() > 1 or self.patch.loaded():
            return "warm:threads or a target" if self.setup["warm"] else "cold"
        self.seal = integrity.seal()
        self.jail = Jail(self.setup, self.requests)
        self.copy = Copy.of(self.setup)
        gc.collect()
        gc.freeze()
        return ""

    def serve(self) -> None:
        """One request after the other."""
        while True:
            frame = wire.receive(self.requests)
            if frame is None:
                return
            request, data = frame
            if "limits" in request:
                self.setup.update(request["limits"])
                continue
            began = time.perf_counter()
            verdict = self.attempt(request, data, False)
            if verdict["status"] == "passed":
                again = self.attempt(request, data, True)
                if again["status"] != "passed":
                    verdict = again
            verdict["seconds"] = time.perf_counter() - began
            wire.send(self.out, {"key": request["key"], **verdict})

    def attempt(self, request: dict[str, Any], data: bytes, watch: bool) -> dict[str, Any]:
        """Fork, run, judge."""
        if self.copy is not None:
            for path, text in wire.texts(request, data):
                self.copy.write(path, text)
        token = secrets.token_hex(16)
        token_read, token_write = os.pipe()
        os.write(token_write, token.encode())
        os.close(token_write)
        pipe_read, pipe_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(pipe_read)
                self.child(request, data, watch, (token_read, pipe_write))
            finally:
                os._exit(1)
        os.close(pipe_write)
        os.close(token_read)
        listener = Listener(self.setup, 3.0 if watch or request.get("verify") else 1.0)
        try:
            end = self.jail.watch(pid, pipe_read, listener.heard, listener.allowed)
        finally:
            self.jail.end(pid)
            os.close(pipe_read)
        if self.copy is not None:
            self.copy.restore()
        return listener.verdict(end.reason, end.code, token)

    def child(
        self, request: dict[str, Any], data: bytes, watch: bool, pipes: tuple[int, int]
    ) -> None:
        """In the new process."""
        from . import trial

        os.close(self.requests)
        os.close(self.out)
        self.jail.enter(self.setup["seconds"])
        for path, text in wire.texts(request, data):
            self.patch.put(path, text)
        one = trial.Trial(self.setup, self.patch, self.runner, self.seal)
        if request.get("verify"):
            sys.dont_write_bytecode = False  # a copy of the tree has none of the tests yet
            one.verify(self.warm, set(request["leave_out"]))
        result = one.run(self.warm, watch, pipes[1])
        # The second look at the same candidate need not ask again what the first has shown.
        trial.prove(result, None if watch else one.seal, self.setup["excused"], *pipes)


class Listener:
    """Hears what a candidate's process says, and knows how long it may take."""

    def __init__(self, setup: dict[str, Any], factor: float) -> None:
        self.names = [*setup["failing"], *setup["covering"]]
        self.times = setup["times"]
        self.factor = factor
        self.collecting = factor * setup["collecting"]
        self.limit = self.collecting
        self.running = ""
        self.buffer = b""
        self.said: dict[str, Any] | None = None

    def allowed(self) -> float:
        """Seconds of processor time since the fork in which the present test must have ended."""
        return float(self.limit)

    def heard(self, data: bytes, used: float) -> bool:
        """Take in bytes, after so much processor time; True when the last word is spoken."""
        self.buffer += data
        while len(self.buffer) >= 8:
            length = int.from_bytes(self.buffer[:4], "big")
            if length > 1 << 24 or len(self.buffer) > 1 << 25:
                return True
            if len(self.buffer) < 8 + length:
                return False
            try:
                frame = json.loads(self.buffer[8 : 8 + length])
            except ValueError:
                return True
            self.buffer = self.buffer[8 + length :]
            if "collecting" in frame:
                self.limit = used + self.collecting
            elif "test" in frame:
                self.running = self.names[frame["test"]]
                self.limit = used + self.factor * self.times[frame["test"]]
            else:
                self.said = frame
                return True
        return False

    def verdict(self, reason: str, code: int | None, token: str) -> dict[str, Any]:
        """What to tell codemtl."""
        if self.said is not None:
            result = dict(self.said["result"])
            passed = result.pop("passed") and secrets.compare_digest(self.said["proof"], token)
            return {"status": "passed" if passed else "failed", **result}
        if reason == "time":
            where = f" in {self.running}" if self.running else ""
            return {"status": "timeout", "message": f"took too long{where}"}
        said = {
            "processes": "started too many processes",
            "memory": "took too much memory",
        }.get(reason, f"its process ended without a result (code {code})")
        return {"status": "crashed", "message": said}


def load(modules: Iterable[str]) -> str:
    """Import what can be imported; says which module starts a thread, if one does."""
    for name in modules:
        before = threads()
        with suppress(Exception):
            importlib.import_module(name)
        if threads() > before:
            return f"module:{name}"
    return ""


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def main(setup: dict[str, Any], requests: int, out: int) -> int:
    """Prepare, then serve."""
    try:
        server = Server(setup, requests, out)
        wrong = server.prepare()
    except Exception as error:
        wrong = f"broken:{type(error).__name__}: {error}"
    wire.send(out, {"ready": not wrong, "wrong": wrong})
    if not wrong:
        server.serve()
    return 0
