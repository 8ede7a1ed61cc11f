"""A private copy of the user's tree, so that tests may write without touching the original."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from codemtl.errors import UsageError

OURS = "codemtl-test-"  # temporary folders of ours; one may lie in the tree
LIMIT = 1 << 30  # bytes
_FILES = 100_000
_APART = {
    ".git", ".hg", ".svn", "node_modules", ".tox", ".nox", ".mypy_cache", ".ruff_cache",
    ".hypothesis", ".cache",
}  # fmt: skip

_ENVIRONMENTS = {"node_modules", ".tox", ".nox"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a tree consists of."""

    files: tuple[Path, ...]  # to be copied, relative; symbolic links among them
    folders: tuple[Path, ...]  # to be made, relative
    apart: tuple[Path, ...]  # large or not part of the source, relative


def _is_environment(path: Path) -> bool:
    """Whether tests read programs and packages there; version control and caches are not shared."""
    return path.name in _ENVIRONMENTS or (path / "pyvenv.cfg").exists()


def survey(root: Path) -> Parts:
    """Look through a tree.

    Raises:
        UsageError: it is too large to be copied.
    """
    files: list[Path] = []
    folders: list[Path] = []
    apart: list[Path] = []
    size = 0
    for here, inner, names in os.walk(root):
        at = Path(here).relative_to(root)
        for name in list(inner):
            path = Path(here, name)
            if path.is_symlink():
                files.append(at / name)
                inner.remove(name)
            elif name.startswith(OURS):
                inner.remove(name)
            elif name in _APART or (path / "pyvenv.cfg").exists():
                apart.append(at / name)
                inner.remove(name)
            else:
                folders.append(at / name)
        for name in names:
            path = Path(here, name)
            try:
                stat = path.lstat()
            except OSError:
                continue
            if path.is_symlink() or path.is_file():  # no sockets, no pipes
                files.append(at / name)
                size += stat.st_size
        if size > LIMIT or len(files) > _FILES:
            raise UsageError(
                f"{root} is too large to be copied for the tests (over {LIMIT >> 20} MB or "
                f"{_FILES} files); run codemtl in the folder of the code, outside git's work tree"
            )
    return Parts(tuple(files), tuple(folders), tuple(apart))


def copy(root: Path, parts: Parts, to: Path, *, links: bool) -> None:
    """Copy a tree, times and permissions included.

    With ``links``, the environments that are not copied are links to the user's own; what else is
    apart stays an empty folder, or the place where something is mounted.
    """
    to.mkdir(parents=True, exist_ok=True)
    for folder in parts.folders:
        (to / folder).mkdir(exist_ok=True)
    for name in parts.files:
        source = root / name
        try:
            shutil.copy2(source, to / name, follow_symlinks=False)
        except PermissionError:
            continue  # unreadable here, so unreadable for the tests too
    for folder in parts.apart:
        if links and _is_environment(root / folder):
            (to / folder).symlink_to(root / folder)
        else:
            (to / folder).mkdir(exist_ok=True)
    for folder in reversed(parts.folders):
        shutil.copystat(root / folder, to / folder)
    shutil.copystat(root, to)
