"""Repositories for tests, written by one ``git fast-import`` each, with fixed dates."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

START = 1_700_000_000
Content = str | bytes | None  # None removes a file


class Repository:
    """A bare repository in the making; ``finish`` writes what was committed so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        self._stream: list[bytes] = []
        self._mark = 0

    def commit(
        self,
        message: str,
        changes: Mapping[str, Content],
        *,
        parents: tuple[int, ...] | None = None,
        submodules: tuple[str, ...] = (),
    ) -> int:
        """Add a commit on top of the one before or of ``parents``; returns its number."""
        previous = (self._mark,) if self._mark else ()
        self._mark += 1
        who = f"A <a@example.com> {START + 60 * self._mark} +0000"
        text = message.encode()
        out = [b"commit refs/heads/main\nmark :%d\n" % self._mark]
        out.append(f"author {who}\ncommitter {who}\n".encode())
        out.append(b"data %d\n%s\n" % (len(text), text))
        for number, parent in enumerate(previous if parents is None else parents):
            out.append(b"%s :%d\n" % (b"merge" if number else b"from", parent))
        for path, content in changes.items():
            if content is None:
                out.append(f"D {path}\n".encode())
                continue
            data = content.encode() if isinstance(content, str) else content
            out.append(f"M 100644 inline {path}\n".encode() + b"data %d\n%s\n" % (len(data), data))
        for path in submodules:
            out.append(f"M 160000 {self._mark:040x} {path}\n".encode())
        self._stream += out
        return self._mark

    def finish(self) -> Path:
        """Write the commits; small repositories keep their objects loose."""
        command = ["git", "-C", str(self.path), "-c", "fastimport.unpackLimit=10000"]
        stream = b"".join(self._stream)
        subprocess.run([*command, "fast-import", "--quiet"], input=stream, check=True)
        return self.path

    def git(self, *arguments: str) -> str:
        """Output of a git command in the repository."""
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.check_output(command, text=True).strip()


@pytest.fixture
def make_history(tmp_path: Path) -> Callable[[str], Repository]:
    """A function that starts a repository by its name, below ``tmp_path / "mirror"``."""

    def make(name: str) -> Repository:
        return Repository(tmp_path / "mirror" / f"owner+{name}" / "repo")

    return make
