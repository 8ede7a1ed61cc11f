"""The modules of the package around a file: which are on the disk, and what they hold.

What may be otherwise counts as unknown: files that are made by a build, compiled modules, packages
that lie in several places, what a module binds while it runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from codemtl.inference.project import Project

_OPEN = re.compile(
    rb"import[ \t]*\(?[ \t]*\*|__getattr__|globals\(|exec\(|vars\(|locals\(|sys\.modules|setattr"
    rb"|__path__|extend_path|declare_namespace|(?i:lazy_?(?:load|import|module))"
    rb"|inspect\.(?:getmodule|currentframe)|__dict__"
)
_BUILD = ("meson.build", "CMakeLists.txt", "setup_package.py")
_SETUP = (".gitignore", "pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", *_BUILD)
_MADE = re.compile(r"version|_pb2|generated")

Folder = PurePosixPath
Parts = tuple[str, ...]


class Gone(NamedTuple):
    """A module that is not there: the part of its name that is not in a folder."""

    folder: Folder
    part: str


class Found(NamedTuple):
    """A module that is there: its file, and the folder of a package."""

    file: Folder
    folder: Folder | None = None


class OwnModules:
    """The modules of the outermost package around a file."""

    def __init__(self, project: Project, place: str | None = None) -> None:
        """``place`` is another file of the project than the one that it is around."""
        self.project, self.here = project, Folder(place or project.place)
        self.root, self.top = self.here.parent, ""  # what holds the package; "" without one
        while self.root.name and "__init__.py" in project.names(str(self.root)):
            self.root, self.top = self.root.parent, self.root.name

    def base(self, module: str) -> tuple[Folder, Parts] | None:
        """Where to look for a module as an import names it, with dots or by its full name."""
        name = module.lstrip(".")
        dots, parts = len(module) - len(name), tuple(filter(None, name.split(".")))
        if not self.top:
            return None
        if dots:
            inside = dots < len(self.here.relative_to(self.root).parts)
            return (self.here.parents[dots - 1], parts) if inside else None
        return (self.root, parts) if parts[:1] == (self.top,) else None

    def file(self, module: str) -> str | None:
        """The file of a module as an import names it; None where nobody knows.

        Without a package around it a file finds what lies beside it, but for modules that are
        called as Python's own.
        """
        place = self.base(module)
        first = module.partition(".")[0]
        beside = self.project.names(str(self.root)) if place is None else frozenset[str]()
        if first not in sys.stdlib_module_names and {first, f"{first}.py"} & beside:
            place = self.root, tuple(module.split("."))
        there = self.look(*place) if place is not None else None
        return str(there.file) if isinstance(there, Found) else None

    def look(self, base: Folder, parts: Parts) -> Found | Gone | None:
        """What is there; None where nobody knows."""
        project, folder = self.project, base
        for at, part in enumerate(parts):
            entries = project.names(str(folder))
            if part in entries:
                folder /= part
            elif any(one.partition(".")[0] == part for one in entries):
                plain = at == len(parts) - 1 and f"{part}.py" in entries
                return Found(folder / f"{part}.py") if plain else None
            else:
                package = project.text(f"{folder}/__init__.py")
                known = not self._is_made(part, folder) and not _is_open(package)
                return Gone(folder, part) if known else None
        plain = "__init__.py" in project.names(str(folder))
        return Found(folder / "__init__.py", folder) if plain else None

    def lacks(self, module: Found, members: Sequence[str]) -> str | None:
        """The first name that a module cannot have."""
        text = self.project.text(str(module.file))
        inside = self.project.names(str(module.folder)) if module.folder is not None else ()
        known = {one.partition(".")[0] for one in inside}
        if _is_open(text):
            return None
        for one in members:
            special = one.startswith("__") and one.endswith("__")
            if not (special or one in known or holds(text, one)):
                return None if self._is_made(one, module.file.parent) else one
        return None

    def _is_made(self, part: str, folder: Folder) -> bool:
        """Whether what builds the project, or what git ignores, names a module."""
        files = (*_SETUP, *(str(folder / one) for one in _BUILD))
        return _MADE.search(part) is not None or any(
            holds(self.project.text(one), part) for one in files
        )


@lru_cache(maxsize=1 << 10)  # the same modules are imported by many files
def _is_open(text: bytes) -> bool:
    """Whether a module may bind what its text does not say."""
    return _OPEN.search(text) is not None


def holds(text: bytes, name: str) -> bool:
    """Whether a text has a word."""
    word = name.encode()
    if word not in text:
        return False
    return re.search(rb"(?<!\w)" + re.escape(word) + rb"(?!\w)", text) is not None
