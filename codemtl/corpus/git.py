"""How git is asked: short commands, streams of records, and objects through one process.

Nothing of a repository is checked out and no code of it runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from codemtl.errors import DataError

Reader = Callable[[str], bytes | None]  # an object's name -> its bytes, None if it is not there

_CHUNK = 1 << 16
_ENVIRONMENT = {
    "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}  # fmt: skip


def output(git: Path | str, *arguments: str) -> str:
    """Output of a git command, "" where it fails (an unborn HEAD, a damaged repository)."""
    with _running(git, arguments, subprocess.DEVNULL) as process:
        data, _ = process.communicate()
        failed = process.returncode != 0
    return "" if failed else data.decode("utf-8", "surrogateescape")


def records(
    git: Path | str, *arguments: str, stdin: bytes | None = None, end: bytes = b"\0"
) -> Iterator[bytes]:
    """The records that a git command prints, while it prints them; ``end`` is behind each.

    ``stdin`` is what the command reads. Raises DataError behind the last record when git fails.
    """
    with _running(git, arguments, subprocess.DEVNULL if stdin is None else stdin) as process:
        assert process.stdout is not None
        rest = b""
        while chunk := process.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
            *whole, rest = (rest + chunk).split(end)
            yield from whole
        if process.wait():
            raise DataError(f"git {arguments[0]} stopped in {git}; git fsck tells what is damaged")


@contextmanager
def reader(git: Path | str) -> Iterator[Reader]:
    """A function that reads objects, one at a time, through a single git process.

    It is started again when a damaged object ends it; that object counts as not there.
    """
    found = _Objects(git)
    try:
        yield found
    finally:
        found.close()


class _Objects:
    def __init__(self, git: Path | str) -> None:
        self._git = git
        self._process = self._start()

    def __call__(self, name: str) -> bytes | None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(name.encode() + b"\n")
            process.stdin.flush()
            header = process.stdout.readline().split()
        except BrokenPipeError:
            header = []
        if len(header) == 3:
            size = int(header[2])
            data = process.stdout.read(size + 1)
            if len(data) == size + 1:
                return data[:-1]
        elif header:  # "<name> missing"
            return None
        self.close()
        self._process = self._start()
        return None

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        return _open(self._git, ("cat-file", "--batch"), subprocess.PIPE)


@contextmanager
def _running(
    git: Path | str, arguments: tuple[str, ...], stdin: int | bytes
) -> Iterator[subprocess.Popen[bytes]]:
    """A git process that has ended when the block ends; bytes for its input go through a file."""
    with ExitStack() as stack:
        if isinstance(stdin, bytes):
            file = stack.enter_context(TemporaryFile())
            file.write(stdin)
            file.seek(0)
            stdin = file.fileno()
        process = _open(git, arguments, stdin)
        try:
            yield process
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            process.wait()


def _open(git: Path | str, arguments: tuple[str, ...], stdin: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["git", f"--git-dir={os.path.abspath(git)}", *arguments],
            cwd=os.sep,  # in a folder of a work tree git would tell of that folder alone
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )
    except FileNotFoundError as error:
        raise DataError("git is needed to read repositories; install it or give folders") from error
