"""Running programs that a model wrote, each in a process of its own.

A program has passed if its tests ran to their end: only then does the runner read a random token
from a pipe and hand it back. So a program that ends early, by ``os._exit(0)`` or ``sys.exit()``,
that prints what success would print, or that hangs, has not passed.

What protects the machine: limits on processor time, wall time, memory, files written, open files
and processes; an empty folder as home; an empty environment; no network and (with bubblewrap) a
file system that can only be read, where the system allows it; started by root, the rights of
``nobody``. What does not: a program can read what you (or ``nobody``) can read, and without
bubblewrap also write where they can. And a program that is *written to deceive* could find the
token in its own process: this is a harness for what models write, not for adversaries.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from codemtl.ending import tidy
from codemtl.errors import DataError

SECONDS = 5.0  # of processor time
PATIENCE = 4  # times as much wall time, as other processes want the processor too
MEMORY = 1 << 30  # bytes of address space
_NOBODY = 65534
_RUNNER = """
import os, resource, sys
limits = {limits}
for name, value in limits.items():
    resource.setrlimit(getattr(resource, name), (value, value))
def passed(read=os.read, write=os.write):
    write({out}, read({token}, 64))
with open(sys.argv[1], encoding="utf-8") as file:
    source = file.read()
exec(compile(source, "program.py", "exec"), {{"__name__": "program"}})
passed()
"""


class Isolation(NamedTuple):
    """How programs are kept apart from the machine."""

    prefix: tuple[str, ...]  # of the command
    protects: str  # in words


@cache
def isolation() -> Isolation:
    """The strongest way that works here, found by trying."""
    python = sys.executable
    root = os.geteuid() == 0
    drop = (
        "setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs",
    )  # fmt: skip
    # A namespace's first process ignores signals that it sends itself; a shell takes that part.
    shell = ("sh", "-c", '"$@"; exit $?', "sh")
    bwrap = (
        "bwrap", "--unshare-all", "--uid", str(_NOBODY), "--gid", str(_NOBODY),
        "--die-with-parent", "--new-session", "--ro-bind", "/", "/",
        "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--remount-ro", "/", "--",
    )  # fmt: skip
    apart = ("unshare", "--net", "--ipc", "--pid", "--fork", "--kill-child")
    ways = [
        Isolation(bwrap, "no network, a read-only file system (bubblewrap)"),
        Isolation(
            (*apart, *shell, *(drop if root else ())),
            "no network (unshare), the rights of nobody; the file system can be read",
        ),
        Isolation(
            (*apart, "--user", "--map-current-user", *shell),
            "no network (unshare); the file system can be read and written with your rights",
        ),
        Isolation(
            drop if root else (),
            "only limits on time, memory and files; network and file system are open",
        ),
    ]
    for way in ways:
        if way.prefix and shutil.which(way.prefix[0]) is None:
            continue
        done = subprocess.run(
            [*way.prefix, python, "-I", "-c", "print(6 * 7)"],
            capture_output=True, check=False, cwd="/", env={}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.stdout.strip() == b"42":
            return way
    raise DataError(f"{python} cannot be run as a process of its own here")


@tidy()
def passes(program: str, seconds: float = SECONDS) -> bool:
    """Whether a program, tests included, runs to its end in ``seconds`` of processor time."""
    token = secrets.token_hex(32).encode()
    token_read, token_write = os.pipe()
    out_read, out_write = os.pipe()
    os.write(token_write, token)
    os.close(token_write)
    folder = Path(tempfile.mkdtemp(prefix="codemtl-run-"))
    try:
        folder.chmod(0o755)
        (folder / "program.py").write_text(program, "utf-8", errors="replace")
        limits = {
            "RLIMIT_CPU": math.ceil(seconds), "RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": 1 << 20,
            "RLIMIT_NOFILE": 64, "RLIMIT_NPROC": 64, "RLIMIT_CORE": 0,
        }  # fmt: skip
        runner = _RUNNER.format(limits=limits, out=out_write, token=token_read)
        command = [*_bound(folder), sys.executable, "-I", "-B", "-c", runner]
        _wait([*command, str(folder / "program.py")], folder, (token_read, out_write), seconds)
        os.close(out_write)
        out_write = -1
        os.set_blocking(out_read, False)
        try:
            return os.read(out_read, 256) == token
        except BlockingIOError:  # something that it started is still there
            return False
    finally:
        for one in (token_read, out_read, out_write):
            if one >= 0:
                os.close(one)
        shutil.rmtree(folder, ignore_errors=True)


def _bound(folder: Path) -> list[str]:
    """The command that isolates; bubblewrap's own /tmp must show the folder of the program."""
    prefix = list(isolation().prefix)
    if prefix[:1] == ["bwrap"]:
        at = prefix.index("--remount-ro")
        prefix[at:at] = ["--ro-bind", str(folder), str(folder)]
    return prefix


def _wait(command: list[str], folder: Path, pipes: tuple[int, int], seconds: float) -> None:
    """Run a command and all that it starts until it ends or its time is over."""
    process = subprocess.Popen(
        command, cwd=folder, env={"HOME": str(folder), "PYTHONHASHSEED": "0"}, pass_fds=pipes,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE * seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
