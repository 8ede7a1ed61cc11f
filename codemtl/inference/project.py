"""What the other files of a project say: whether a name stands in any of them, and those beside.

The project is the git work tree around a file, else the nearest folder above it that holds a
``pyproject.toml``, ``setup.py`` or ``setup.cfg``. Its files are read once, and only when asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Protocol

from codemtl.errors import CodemtlError, SourceError
from codemtl.syntax.discovery import find_python_files, is_test
from codemtl.syntax.files import SIZE_LIMIT, SourceFile
from codemtl.syntax.git_output import output
from codemtl.syntax.history import UNKNOWN, History, history

MARKS = ("pyproject.toml", "setup.py", "setup.cfg")
NAMELESS = Path("-")
MOST_FILES = 10_000
MOST_BYTES = 1 << 27  # a larger project is not read, and may define anything
BESIDE, BESIDE_BYTES = 40, 400_000  # files beside one that are read, and their bytes together
LARGEST_BESIDE = 200_000  # bytes of each


class Project(Protocol):
    """The project around one file."""

    @property
    def place(self) -> str:
        """The file's path from the root of the project, with ``/``."""
        ...

    @property
    def files(self) -> Collection[str]:
        """The paths of the project's Python files."""
        ...

    def names(self, folder: str) -> frozenset[str]:
        """What stands in a folder of the project, files and folders; "." is the root."""
        ...

    def text(self, path: str) -> bytes:
        """What a file holds; nothing if it cannot be read."""
        ...

    def mentions(self, name: str) -> bool:
        """Whether another Python file of the project holds the word."""
        ...

    def holding(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The other Python files of the project that hold the word: their paths and texts.

        None of a project that is too large to be read.
        """
        ...


class Projects:
    """The projects of the files of one run."""

    def __init__(self) -> None:
        self._texts: dict[Path, Mapping[Path, bytes] | None] = {}
        self._beside: dict[Path, bytes] = {}
        self._names: dict[Path, frozenset[str]] = {}
        self._files: dict[Path, frozenset[str]] = {}

    def around(self, file: SourceFile) -> Project | None:
        """The project of a file; None where there is none, as of text without a name."""
        place = _place(file)
        root = place and _root(place)
        return _Beside(self, root, place) if place and root else None

    def beside(self, file: SourceFile) -> tuple[bytes, ...]:
        """Texts of other Python files of its folder, as `beside` chooses; none of nameless text."""
        place = _place(file)
        if place is None:
            return ()
        self._beside.setdefault(place, file.data)  # as it was, whatever is written to it later
        sizes = dict[str, int]()
        with suppress(OSError), os.scandir(place.parent) as entries:
            for entry in entries:
                if entry.name.endswith(".py") and entry.is_file(follow_symlinks=False):
                    sizes[entry.name] = entry.stat().st_size
        found = (self.text(place.parent / name) for name in beside(place.name, sizes))
        return tuple(text for text in found if text)

    def files(self, root: Path) -> frozenset[str]:
        """The paths of the Python files of a project, from its root."""
        if root not in self._files:
            inside = (path for path in self.texts(root) or () if path.is_relative_to(root))
            self._files[root] = frozenset(path.relative_to(root).as_posix() for path in inside)
        return self._files[root]

    def names(self, folder: Path) -> frozenset[str]:
        """What stands in a folder."""
        if folder not in self._names:
            self._names[folder] = frozenset()
            with suppress(OSError):
                self._names[folder] = frozenset(os.listdir(folder))
        return self._names[folder]

    def text(self, path: Path) -> bytes:
        """What a file held when it was first asked for; nothing if it cannot be read."""
        if path not in self._beside:
            self._beside[path] = b""
            with suppress(OSError):  # it tells nothing then
                self._beside[path] = path.read_bytes()
        return self._beside[path]

    def texts(self, root: Path) -> Mapping[Path, bytes] | None:
        """The Python files of a project; None if it is too large to be read."""
        if root not in self._texts:
            self._texts[root] = _read(root)
        return self._texts[root]


class _Beside:
    """All files of a project but one."""

    def __init__(self, projects: Projects, root: Path, place: Path) -> None:
        self._projects, self._root, self._place = projects, root, place
        self.place = place.relative_to(root).as_posix()

    @property
    def files(self) -> Collection[str]:
        """The paths of the project's Python files."""
        return self._projects.files(self._root)

    def names(self, folder: str) -> frozenset[str]:
        """What stands in a folder; see `Project`."""
        return self._projects.names(self._root / folder)

    def text(self, path: str) -> bytes:
        """What a file holds; see `Project`."""
        return self._projects.text(self._root / path)

    def mentions(self, name: str) -> bool:
        """Whether another Python file of the project holds the word."""
        if self._projects.texts(self._root) is None:
            return True  # it may
        return next(self.holding(name), None) is not None

    def holding(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The other files that hold the word; see `Project`."""
        text = name.encode()
        word = re.compile(rb"(?<!\w)" + re.escape(text) + rb"(?!\w)")
        for path, data in (self._projects.texts(self._root) or {}).items():
            if path != self._place and text in data and word.search(data) is not None:
                yield os.path.relpath(path, self._root).replace(os.sep, "/"), data


def past(file: SourceFile) -> History:
    """Of a file in a git work tree; else empty.

    The lines of tests have no ages: what they assert is seen as soon as they are run, however young
    it is.
    """
    place = _place(file)
    root = place and _root(place)
    if not place or not root or not place.parent.is_dir():
        return UNKNOWN
    found = history(("-C", str(place.parent)), place.name, contents=file.saved)
    return replace(found, ages=()) if is_test(place.relative_to(root)) else found


def committed(file: SourceFile) -> bytes | None:
    """The text of a file in the last commit, with the line ends of ``file``; None without one.

    Git may have changed line ends. Where a file has both kinds, those with which most lines are the
    file's count.
    """
    place = _place(file)
    if not place or not _root(place):
        return None
    raw = output(("-C", str(place.parent)), ["cat-file", "blob", f"HEAD:./{place.name}"])
    try:
        data = SourceFile.from_bytes(raw).data
    except SourceError:
        return None
    lines, now = data.replace(b"\r\n", b"\n"), set(file.data.splitlines(keepends=True))
    return max(
        (lines, lines.replace(b"\n", b"\r\n"), data),
        key=lambda text: len(now.intersection(text.splitlines(keepends=True))),
    ) or None  # fmt: skip


def beside(name: str, sizes: Mapping[str, int]) -> list[str]:
    """The files of a folder that are read beside one: those of similar names, and not too much.

    ``sizes`` are bytes by the files' names.
    """
    others = [other for other, size in sizes.items() if other != name and size <= LARGEST_BESIDE]
    others.sort(key=lambda other: (-SequenceMatcher(None, other, name).ratio(), other))
    found, room = list[str](), BESIDE_BYTES
    for other in others[:BESIDE]:
        if sizes[other] <= room:
            found.append(other)
            room -= sizes[other]
    return found


def _place(file: SourceFile) -> Path | None:
    if file.path == NAMELESS:
        return None
    return file.resolved or Path(os.path.realpath(file.path))  # of a loop of links, no error


def _root(place: Path) -> Path | None:
    above = list(place.parents)
    for marks in ((".git",), MARKS):
        for folder in above:
            if any(os.path.exists(folder / mark) for mark in marks):
                return folder
    return None


def _read(root: Path) -> dict[Path, bytes] | None:
    try:
        files = find_python_files(root)
    except CodemtlError:
        return None
    if len(files) > MOST_FILES:
        return None
    texts: dict[Path, bytes] = {}
    room = MOST_BYTES
    for file in files:
        try:
            size = file.stat().st_size
            if size > SIZE_LIMIT:
                continue
            room -= size
            if room < 0:
                return None
            texts[file.resolve()] = file.read_bytes()
        except OSError:
            continue  # whatever it holds, it is no reason to be silent about the others
    return texts
