"""Small projects with a bug, and the ways to isolate that work on this machine."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from codemtl.search import sandbox

PYTEST = f"{shlex.quote(sys.executable)} -m pytest -q -p no:randomly"
BUGGY = "def add(a, b):\n    return a - b\n"
FIXED = b"def add(a, b):\n    return a + b\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"

TEMPORARY = "CODEMTL_TEST_TEMPORARY"  # marks what a test has started
Make = Callable[[Mapping[str, str]], Path]


def ways() -> list[sandbox.Way]:
    found: list[sandbox.Way] = []
    for way in ("bwrap", "unshare", "limits"):
        try:
            sandbox.protection(way)
        except OSError:
            continue
        found.append(way)
    return found


def tree_hash(root: Path) -> str:
    """Of every file's name, mode and bytes."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        digest.update(f"{path.relative_to(root)} {mode:o}\n".encode())
        if stat.S_ISREG(mode):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Write files into an empty folder and go there."""

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.chdir(root)
        return root

    return make


def sandboxes(name: str) -> list[int]:
    """Processes that carry the mark of one sandbox of ours."""
    return _with(f"{sandbox.MARK}={name}".encode())


def with_temporary(folder: Path) -> list[int]:
    """Processes that were started with a folder for temporary files, or one inside it."""
    return _with(f"{TEMPORARY}={folder}".encode())


def _with(entry: bytes) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and entry in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]
