"""What an undefined name is elsewhere in its project: imported from a module, or defined in one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import NamedTuple

from codemtl.inference.project import Project
from codemtl.syntax.discovery import is_test
from codemtl.syntax.imports import Import, imports_of

Parts = tuple[str, ...]  # of a dotted name


class _Module(NamedTuple):
    """The full names of a file's module and of the package that holds it."""

    name: Parts
    package: Parts


class _Source(NamedTuple):
    """Where a name comes from, however that is written: a module, and what of it."""

    module: Parts
    member: str | None

    @property
    def full(self) -> Parts:
        """The full name."""
        return self.module if self.member is None else (*self.module, self.member)


def elsewhere(
    name: str, data: bytes, bound: Collection[str], project: Project
) -> str | Import | None:
    """How a file could have a name that it does not define; ``bound`` are its module's names.

    Where a module that it imports has it, as ``module.name``. Else by the import that most files of
    the project have for it, or of the one module of the project that defines such a function, class
    or constant, or is called so and stands beside the file.
    """
    here = _module(project.place, project.files)
    imported: Counter[_Source] = Counter()
    relative: Counter[_Source] = Counter()  # of these, as a relative import
    alike: Counter[_Source] = Counter()  # of these, with an attribute that the file asks for too
    defined: Counter[_Source] = Counter()
    asked = _attributes(data, name)
    for path, text in project.holding(name):
        there = _module(path, project.files)
        ways = {
            source: one.module.startswith(".") for one in imports_of(text)
            if one.name == name and (source := _source(one, there)) is not None
            and not _leads_back(source.module, here, there)
        }  # fmt: skip
        imported.update(ways.keys())
        if asked and asked & _attributes(text, name):
            alike.update(ways.keys())
        relative.update(source for source, dotted in ways.items() if dotted)
        if offers(text, name) and _is_near(path, there, project.place):
            defined[_Source(there.name, name)] += 1
    modules = {
        source.full: one.name for one in imports_of(data)
        if one.name in bound and (source := _source(one, here)) is not None
    }  # fmt: skip
    found = sorted(imported, key=lambda source: (-alike[source], -imported[source]))
    for source in (*found, *defined):
        if source.member == name and source.module in modules:
            return f"{modules[source.module]}.{name}"
    if not found and len(defined) == 1:
        found = [*defined]
    beside = PurePosixPath(project.place).parent / name
    if not found and here.package and {f"{beside}.py", f"{beside}/__init__.py"} & {*project.files}:
        found = [_Source(here.package, name)]
    if not found:
        return None
    best = found[0]
    return _written(name, best, here, data, dotted=2 * relative[best] > imported[best])


def same_source(one: Import, other: Import, path: str, files: Collection[str]) -> bool:
    """Whether two imports in a file of a project name the same thing, however they are written."""
    here = _module(path, files)
    first, second = _source(one, here), _source(other, here)
    return one == other or (first is not None and second is not None and first.full == second.full)


def _module(path: str, files: Collection[str]) -> _Module:
    place = PurePosixPath(path)
    parts: Parts = ()
    folder = place.parent
    while folder.name and f"{folder}/__init__.py" in files:
        parts = (folder.name, *parts)
        folder = folder.parent
    return _Module(parts if place.stem == "__init__" else (*parts, place.stem), parts)


def _source(one: Import, there: _Module) -> _Source | None:
    """What an import in a module names; None where it leaves the outermost package."""
    name = one.module.lstrip(".")
    dots, rest = len(one.module) - len(name), tuple(filter(None, name.split(".")))
    if dots > len(there.package):
        return None
    base = there.package[: len(there.package) - dots + 1] if dots else ()
    return _Source((*base, *rest), one.member)


def _attributes(text: bytes, name: str) -> set[bytes]:
    return set(re.findall(rb"(?<![.\w])" + re.escape(name.encode()) + rb"\.(\w+)", text))


def _leads_back(module: Parts, here: _Module, there: _Module) -> bool:
    """Whether a module is a file's own, or a package around it of which only others import.

    Such a package may import the file itself.
    """
    inside = here.package[: len(module)] == module
    return module == here.name or (inside and there.package[: len(module)] != module)


def offers(text: bytes, name: str) -> bool:
    """Whether a file defines a function, class or constant of a name for all who import it."""
    word = re.escape(name.encode())
    kinds = [rb"(?:(?:async[ \t]+)?def|class)[ \t]+" + word + rb"\b"]
    kinds += [word + rb"[ \t]*(?::[^=\n]*)?=(?!=)"] if name.isupper() else []
    return re.search(rb"^(?:" + b"|".join(kinds) + rb")", text, re.M) is not None


def _is_near(path: str, there: _Module, place: str) -> bool:
    """Whether a file can import another that no third one imports: of a package, or beside it."""
    beside = PurePosixPath(path).parent == PurePosixPath(place).parent
    return (beside or bool(there.package)) and (is_test(place) or not is_test(path))


def _written(name: str, source: _Source, here: _Module, data: bytes, *, dotted: bool) -> Import:
    """The import as the file would have it: relative if its others are, or most elsewhere."""
    shared = 0
    for one, other in zip(here.package, source.module, strict=False):
        if one != other:
            break
        shared += 1
    modules = [one.module for one in imports_of(data)]
    if any(one.startswith(".") for one in modules):
        dotted = True
    elif any(one.partition(".")[0] == source.module[0] for one in modules if source.module):
        dotted = False
    if source.member is None or not shared or not dotted:
        return Import(name, ".".join(source.module), source.member)
    dots = "." * (len(here.package) - shared + 1)
    return Import(name, dots + ".".join(source.module[shared:]), source.member)
