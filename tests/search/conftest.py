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
    found = []
    mark = f"{sandbox.MARK}={name}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]
