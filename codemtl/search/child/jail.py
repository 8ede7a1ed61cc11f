"""Starts, watches and ends what a candidate runs: nothing of it outlives its verdict.

In a process namespace of our own one ``kill(-1)`` ends everything at once, fork bombs included.
Without one, we adopt orphans (a "subreaper") and kill our descendants until none is left.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_WALL = 3.0  # times as much wall time as processor time, and a second
_PAGE = resource.getpagesize()


class Limits(NamedTuple):
    """What one candidate may use."""

    memory: int  # bytes of address space, each process; of real memory, all together
    processes: int
    file: int  # bytes, each file written
    count_processes: bool  # whether RLIMIT_NPROC means anything here


class End(NamedTuple):
    """How a candidate's process ended."""

    reason: str  # "exit", "time", "processes", "memory", "orphaned"
    code: int | None  # its exit code, if it ended by itself


class Jail:
    """One for each server."""

    def __init__(self, setup: dict[str, Any], requests: int) -> None:
        self.limits = Limits(**setup["limits"])
        self.requests = requests
        namespace = os.readlink("/proc/self/ns/pid")
        # Twice checked: outside a namespace of our own, kill(-1) would end the whole machine.
        self.alone = bool(setup["own_processes"]) and namespace != setup["outer_processes"]
        self.scratch = [os.environ["TMPDIR"], *(["/dev/shm"] if setup["own_files"] else [])]
        self.kept = {folder: set(_names(folder)) for folder in self.scratch}
        if not self.alone:
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def enter(self, seconds: float) -> None:
        """In the new process: a session of its own, and limits."""
        os.setsid()
        if not self.alone:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        limits = self.limits
        _limit(resource.RLIMIT_AS, limits.memory)
        _limit(resource.RLIMIT_FSIZE, limits.file)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, int(seconds) + 2)
        if limits.count_processes:
            _limit(resource.RLIMIT_NPROC, limits.processes)

    def watch(
        self,
        pid: int,
        pipe: int,
        heard: Callable[[bytes, float], bool],
        allowed: Callable[[], float],
    ) -> End:
        """Wait until ``heard`` says that all is said, the process ends, or it uses too much.

        ``heard`` is told what the process says, and the processor time that it has used, in
        seconds; ``allowed`` is what it may have used by now.
        """
        watched = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        began = time.monotonic()
        open_pipe = True
        try:
            while True:
                used, wall = _used(pid), time.monotonic() - began
                left = min(allowed() - used, allowed() * _WALL + 1 - wall)
                if left <= 0:
                    return End("time", None)
                wanted = [self.requests, *([pipe] if open_pipe else [])]
                wanted += [watched] if watched >= 0 else []
                ready, _, _ = select.select(wanted, [], [], min(max(left, 0.001), 0.02))
                if pipe in ready:
                    data = os.read(pipe, 1 << 16)
                    open_pipe = bool(data)
                    if data and heard(data, _used(pid)):
                        return End("exit", None)
                    continue
                if watched in ready or (watched < 0 and _ended(pid)):
                    return End("exit", self._code(pid))
                if self.requests in ready:  # nobody speaks while we work: codemtl is gone
                    return End("orphaned", None)
                if wall > 0.03 and (excess := self._excess()):
                    return End(excess, None)
        finally:
            if watched >= 0:
                os.close(watched)

    def _code(self, pid: int) -> int | None:
        info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if info is None:
            return None
        return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

    def _excess(self) -> str:
        """What all processes of the candidate together use too much of."""
        pids = self._all()
        if len(pids) > self.limits.processes:
            return "processes"
        pages = 0
        for pid in pids:
            with suppress(OSError), open(f"/proc/{pid}/statm") as file:
                fields = file.read().split()
                pages += int(fields[1]) - int(fields[2])  # resident, but not shared with us
        return "memory" if pages * _PAGE > self.limits.memory else ""

    def _all(self) -> list[int]:
        """The processes that the candidate started."""
        me = os.getpid()
        if self.alone:
            return [
                int(one) for one in os.listdir("/proc") if one.isdigit() and int(one) not in (1, me)
            ]
        parents: dict[int, int] = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                with suppress(OSError), open(f"/proc/{name}/stat") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        found: list[int] = []
        heads = {me}
        while heads:
            heads = {pid for pid, parent in parents.items() if parent in heads}
            found += heads
        return found

    def ask_to_end(self, pid: int) -> None:
        """Send SIGTERM to all and give them two seconds to say where they were."""
        for one in self._all() if not self.alone else [-1]:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGTERM)
        until = time.monotonic() + 2
        while not _ended(pid) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)

    def end(self, pid: int) -> None:
        """Kill all that is left of a candidate, and remove what it wrote to scratch folders."""
        patience = time.monotonic() + 10
        if self.alone:
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            _reap(pid)
            while _any_left() and time.monotonic() < patience:
                with suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
                _reap(None)
                time.sleep(0.0005)
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _reap(pid)
            while _has_children() and time.monotonic() < patience:
                for one in self._all():
                    with suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)
                _reap(None)
        self._sweep()

    def _sweep(self) -> None:
        for folder, kept in self.kept.items():
            for name in _names(folder):
                if name not in kept:
                    remove(os.path.join(folder, name))


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file or folder, even one that was made hard to remove."""
    if os.path.islink(path) or not os.path.isdir(path):
        with suppress(OSError):
            os.unlink(path)
        return
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _open(path)
        for folder, inner, _ in os.walk(path):
            for name in inner:  # before it is walked
                _open(os.path.join(folder, name))
        shutil.rmtree(path, ignore_errors=True)


def _open(folder: str | os.PathLike[str]) -> None:
    if not os.path.islink(folder):
        with suppress(OSError):
            os.chmod(folder, 0o700)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _used(pid: int) -> float:
    """Processor time of a process and its threads, in seconds."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _reap(pid: int | None) -> None:
    """Collect one ended process, or all that have."""
    try:
        if pid is not None:
            os.waitpid(pid, 0)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _any_left() -> bool:
    """Whether any process but us and the namespace's first one is there."""
    try:
        os.kill(-1, 0)
    except ProcessLookupError:
        return False
    return True


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
