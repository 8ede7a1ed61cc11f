"""What an undefined name is elsewhere: imported from a module, or defined in one."""

from __future__ import annotations

import keyword
import re
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import NamedTuple

from codemtl.inference.project import Project
from codemtl.syntax.discovery import is_test
from codemtl.syntax.imports import Import, common_imports, imports_of
from codemtl.syntax.python_modules import has, members_of, submodule
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.undefined import UndefinedName

_CHAIN = re.compile(rb"(?:[ \t]*\.[ \t]*\w+)+")
_NO_SOURCES = ("setup", "conftest", "__main__")
_MOST = 300  # modules that are followed to see whether one leads back

Parts = tuple[str, ...]  # of a dotted name


class _Module(NamedTuple):
    """The full names of a file's module and of the package that holds it, and where that lies."""

    name: Parts
    package: Parts
    root: str  # the folder above the outermost package


class _Source(NamedTuple):
    """Where a name comes from, however that is written: a module, and what of it."""

    module: Parts
    member: str | None

    @property
    def full(self) -> Parts:
        """The full name."""
        return self.module if self.member is None else (*self.module, self.member)


class _Uses(NamedTuple):
    """How a file uses a name."""

    chains: frozenset[Parts]  # attributes that it asks for, with theirs
    only: bool  # whether it does nothing else with it: a module is neither called nor handed on

    @property
    def first(self) -> frozenset[str]:
        """The attributes of the name itself."""
        return frozenset(chain[0] for chain in self.chains)


def elsewhere(one: UndefinedName, scopes: Scopes, project: Project | None) -> str | Import | None:
    """How a file could have a name that it does not define.

    Where a module that it imports above has it, as ``module.name``. Else by the import that most
    files of the project have for it, or of the one module of the project that defines such a
    function, class or constant, or is called so and stands beside the file. Else as programs at
    large import it, or from Python itself, which has all that is asked of the name.
    """
    uses = _uses(one.name, scopes)
    found = None if project is None else _in_project(one, scopes.tree.data, uses, project)
    common = common_imports().get(one.name)
    if common is None and uses.chains and all(has(one.name, part) for part in uses.first):
        common = Import(one.name, one.name)
    return found or (_fitting(common, uses) if common is not None else None)


def _in_project(
    one: UndefinedName, data: bytes, uses: _Uses, project: Project
) -> str | Import | None:
    name, files = one.name, project.files
    here = _module(project.place, files)
    own = {part for path in files for part in (*path.split("/")[:-1], PurePosixPath(path).stem)}
    imported: Counter[_Source] = Counter()
    relative: Counter[_Source] = Counter()  # of these, as a relative import
    alike: Counter[_Source] = Counter()  # of these, with an attribute that the file asks for too
    defined: list[_Source] = []
    for path, text in project.holding(name):
        there = _module(path, files)
        foreign = is_test(path) and not is_test(project.place)
        ways = {
            source: way.module.startswith(".") for way in imports_of(text, top=True)
            if way.name == name and (source := _source(way, there)) is not None
            and not (foreign and source.module[:1] and source.module[0] in own)
            and not _leads_back(source, here, there, project.place)
        }  # fmt: skip
        imported.update(ways.keys())
        relative.update(source for source, dotted in ways.items() if dotted)
        if ways and uses.chains and uses.first & _attributes(text, name):
            alike.update(ways.keys())
        if offers(text, name) and _is_near(path, there, here, project.place, data):
            defined.append(_Source(there.name, name))
    found = sorted(imported, key=lambda source: (-alike[source], -imported[source]))
    modules = _modules(data if one.function is not None else data[: one.start], here)
    for source in (*found, *defined):
        if source.member == name and source.module in modules:
            return f"{modules[source.module]}.{name}"
    if not found:
        found = defined if len(defined) == 1 else _beside(name, uses, here, project)
    for best in found:
        dotted = 2 * relative[best] > imported[best]
        written = _fitting(_written(name, best, here, data, dotted=dotted), uses)
        if written is not None and _is_free(best, project):
            return written
    return None


def _uses(name: str, scopes: Scopes) -> _Uses:
    data = scopes.tree.data
    chains = [
        _CHAIN.match(data, one.end) for one in scopes.names
        if one.name == name and scopes.resolve(one.scope, name) == -2
    ]  # fmt: skip
    return _Uses(frozenset(_parts(one[0]) for one in chains if one is not None), None not in chains)


def _attributes(text: bytes, name: str) -> frozenset[str]:
    found = re.findall(rb"(?<![.\w])" + re.escape(name.encode()) + rb"\.(\w+)", text)
    return frozenset(one.decode("utf-8", "replace") for one in found)


def _parts(chain: bytes) -> Parts:
    return tuple(part.strip() for part in chain.decode("utf-8", "replace").split(".")[1:])


def _modules(text: bytes, here: _Module) -> dict[Parts, str]:
    """The modules that a file imports, or what it imports from them, and what it calls them."""
    found = {}
    for one in imports_of(text, top=True):
        source = _source(one, here)
        if source is not None and (one.member is not None or one.statement.endswith(one.name)):
            found[source.full] = one.name
    return found


def _beside(name: str, uses: _Uses, here: _Module, project: Project) -> list[_Source]:
    """The module of a package that is called so, if it cannot be one that others have too."""
    if not here.package or not uses.only or name in sys.stdlib_module_names:
        return []
    beside = str(PurePosixPath(project.place).parent / name)
    there = {f"{beside}.py", f"{beside}/__init__.py"}.intersection(project.files)
    return [_Source(here.package, name)] if there - {project.place} else []


def _fitting(one: Import, uses: _Uses) -> Import | None:
    """An import as the uses of its name want it; None if it cannot be meant.

    Of what Python has as a module and in it (``datetime``) the one whose attributes are asked for,
    and of a package the module in question (``import urllib.parse``).
    """
    name, root = one.name, one.module.partition(".")[0]
    twice = name == root and name in members_of(name)
    if twice and not (uses.only and uses.first <= members_of(name)):
        return Import(name, name, name)
    if one.member is not None:
        is_module = "__loader__" in members_of(f"{one.module}.{one.member}")
        inside = members_of(f"{name}.{name}") if twice else frozenset()
        if twice and uses.first and not uses.first <= inside:
            return Import(name, name)
        return one if uses.only or not is_module else None
    if not uses.only:
        return None
    if name != root:
        return one
    if name in sys.stdlib_module_names:
        wanted = (submodule(name, chain) for chain in sorted(uses.chains))
        return Import(name, max(wanted, key=len, default=name))
    rest = tuple(one.module.split("."))[1:]
    asked = any(chain[: len(rest)] == rest for chain in uses.chains)
    return one if asked else Import(name, name)


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
    name = parts if place.stem == "__init__" else (*parts, place.stem)
    return _Module(name, parts, str(folder))


def _source(one: Import, there: _Module) -> _Source | None:
    """What an import in a module names; None where it leaves the outermost package."""
    name = one.module.lstrip(".")
    dots, rest = len(one.module) - len(name), tuple(filter(None, name.split(".")))
    if dots > len(there.package):
        return None
    base = there.package[: len(there.package) - dots + 1] if dots else ()
    return _Source((*base, *rest), one.member)


def _leads_back(source: _Source, here: _Module, there: _Module, place: str) -> bool:
    """Whether an import names a file itself, or a package around it of which only others import.

    Such a package may import the file itself.
    """
    module = source.module
    inside = here.package[: len(module)] == module
    path = "/".join(module)
    itself = place in (f"{path}.py", f"{path}/__init__.py") or place.endswith(f"/{path}.py")
    return (
        itself
        or source.full == here.name
        or module == here.name
        or (inside and there.package[: len(module)] != module)
    )


def _is_free(source: _Source, project: Project) -> bool:
    """Whether a file may import from a module: it does not import from the file in turn.

    Followed is ``from module import`` outside of functions, through the modules of the project.
    """
    files = project.files
    paths = {_module(path, files).name: path for path in files}
    here = _module(project.place, files).name
    waiting, seen = [source], set[str]()
    while waiting and len(seen) < _MOST:
        one = waiting.pop()
        path = paths.get(one.full) or paths.get(one.module)
        if path == project.place and one.full != here:
            return False
        if path is None or path == project.place or path in seen:
            continue
        seen.add(path)
        there = _module(path, files)
        for way in imports_of(project.text(path), top=True):
            further = _source(way, there)
            if way.member is not None and further is not None:
                waiting.append(further)
    return True


def offers(text: bytes, name: str) -> bool:
    """Whether a file defines a function, class or constant of a name for all who import it."""
    word = re.escape(name.encode())
    kinds = [
        rb"(?:async[ \t]+)?def[ \t]+%b[ \t]*[(\[]" % word,
        rb"class[ \t]+%b[ \t]*[(:\[]" % word,
    ]
    kinds += [rb"%b[ \t]*(?::[^=\n]*)?=(?!=)" % word] if name.isupper() else []
    return re.search(rb"^(?:%b)" % rb"|".join(kinds), text, re.M) is not None


def _is_near(path: str, there: _Module, here: _Module, place: str, data: bytes) -> bool:
    """Whether a file can import another that no third one imports: of its package, or beside it."""
    file, folder = PurePosixPath(path), PurePosixPath(place).parent
    if file.suffix != ".py" or file.stem in _NO_SOURCES or (is_test(path) and not is_test(place)):
        return False
    if not all(one.isidentifier() and not keyword.iskeyword(one) for one in there.name):
        return False
    if there.package:
        return not here.package or there.root == here.root
    through = re.escape((folder.name or ".").encode())  # the folder, as a package without a file
    apart = re.search(rb"^[ \t]*from[ \t]+(?:\.|" + through + rb"\.)", data, re.M)
    return file.parent == folder and not here.package and apart is None


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
