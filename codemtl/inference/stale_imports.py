"""Imports of a project's own modules that lead nowhere, and where they should lead.

Reported is ``from module import name`` where the module is not on the disk, or its file does not
hold the name at all. Whatever else could make it right silences that: ``try``, a condition, files
that are made by a build, packages that lie in several places, what a module binds while it runs.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePosixPath
from typing import NamedTuple

from tree_sitter import Node, Query

from codemtl.inference.missing_imports import offers
from codemtl.inference.project import Project
from codemtl.syntax.discovery import is_test
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.suggestions import spelling_distance
from codemtl.syntax.tree import SourceTree, captures, language

_OPEN = re.compile(
    rb"import[ \t]*\(?[ \t]*\*|__getattr__|globals\(|exec\(|vars\(|locals\(|sys\.modules|setattr"
    rb"|__path__|extend_path|declare_namespace|(?i:lazy_?(?:load|import|module))"
)
_SETUP = (".gitignore", "pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", "meson.build")
_MADE = re.compile(r"version|_pb2|generated")
_GUARDS = ("try_statement", "with_statement", "match_statement", "ERROR")

Folder = PurePosixPath


class StaleImport(NamedTuple):
    """An import whose module is not there, or has not what is imported from it."""

    start: int  # bytes of the module's name
    end: int
    module: str
    lacks: str | None  # a name; None if there is no such module
    instead: str | None  # a module that has all that is imported
    function: str | None  # around it


class _Dead(NamedTuple):
    """Where an import leads nowhere."""

    folder: Folder
    part: str | None  # of the module, that is not in the folder
    lacks: str | None = None


def stale_imports(scopes: Scopes, project: Project) -> list[StaleImport]:
    """Those of a file, in source order."""
    tree = scopes.tree
    here = Folder(project.place)
    root, top = here.parent, ""
    while root.name and "__init__.py" in project.names(str(root)):
        root, top = root.parent, root.name
    if not top or b"sys.path" in tree.data:
        return []
    found = []
    for node in captures(_query(), tree.root).get("import", []):
        if _is_guarded(tree, node):
            continue
        module = node.child_by_field_name("module_name")
        members = [tree.text(one).split()[0] for one in node.children_by_field_name("name")]
        if module is None or not members:
            continue
        name = tree.text(module)
        parts = tuple(filter(None, name.lstrip(".").split(".")))
        dots = len(name) - len(name.lstrip("."))
        if (dots and dots > len(here.relative_to(root).parts) - 1) or (
            not dots and parts[0] != top
        ):
            continue
        base = here.parents[dots - 1] if dots else root
        dead = _dead(project, base, parts, members)
        if dead is not None:
            instead = _instead(project, root, dead, parts, members, relative=dots > 0)
            owner = scopes.function_of(scopes.scope_at(module).index)
            function = owner.qualname if owner is not None else None
            found.append(
                StaleImport(module.start_byte, module.end_byte, name, dead.lacks, instead, function)
            )
    return found


@cache
def _query() -> Query:
    return Query(language(), "(import_from_statement) @import")


def _is_guarded(tree: SourceTree, node: Node) -> bool:
    above = node.parent
    while above is not None:
        if above.type in _GUARDS or (
            above.type == "if_statement"
            and b"TYPE_CHECKING" not in tree.data[above.start_byte : above.start_byte + 60]
        ):
            return True
        above = above.parent
    return False


def _dead(
    project: Project, base: Folder, parts: tuple[str, ...], members: list[str]
) -> _Dead | None:
    """Where the import leads nowhere; None where it leads somewhere, or nobody knows."""
    folder = base
    for at, part in enumerate(parts):
        entries = project.names(str(folder))
        text = project.text(f"{folder}/__init__.py") if "__init__.py" in entries else b""
        if part in entries:
            folder /= part
            continue
        if any(one.partition(".")[0] == part for one in entries):
            if at < len(parts) - 1 or f"{part}.py" not in entries:
                return None
            lacks = _lacks(project.text(f"{folder}/{part}.py"), members)
            return _Dead(folder, None, lacks) if lacks is not None else None
        open_ = _OPEN.search(text) or _MADE.search(part) or _is_made(project, part)
        return None if open_ else _Dead(folder, part)
    entries = project.names(str(folder))
    if "__init__.py" not in entries:
        return None
    inside = {one.partition(".")[0] for one in entries}
    lacks = _lacks(
        project.text(f"{folder}/__init__.py"), [one for one in members if one not in inside]
    )
    return _Dead(folder, None, lacks) if lacks is not None else None


def _lacks(text: bytes, members: list[str]) -> str | None:
    """The first name that a module cannot have."""
    if _OPEN.search(text):
        return None
    named = (one for one in members if not (one.startswith("__") and one.endswith("__")))
    return next((one for one in named if not _holds(text, one)), None)


def _holds(text: bytes, name: str) -> bool:
    word = rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)"
    return re.search(word, text) is not None


def _is_made(project: Project, part: str) -> bool:
    """Whether what builds the project, or what git ignores, names a module."""
    return any(_holds(project.text(one), part) for one in _SETUP)


def _instead(
    project: Project,
    root: Folder,
    dead: _Dead,
    parts: tuple[str, ...],
    members: list[str],
    *,
    relative: bool,
) -> str | None:
    """Another module of the package that defines all that is imported.

    One that is called so, or nearly so, before all others, of which there may be only one.
    """
    here, last = Folder(project.place), parts[-1] if parts else ""
    found = [
        Folder(path) for path, text in project.holding(members[0])
        if Folder(path).is_relative_to(root) and is_test(path) <= is_test(project.place)
        and all(offers(text, one) for one in members)
    ]  # fmt: skip
    alike = [one for one in found if one.stem == last]
    alike = alike or [one for one in found if spelling_distance(one.stem, last) is not None]
    if not (alike or found) and dead.part is not None:
        names = [one for one in project.names(str(dead.folder)) if one.endswith(".py")]
        alike = [
            dead.folder / one for one in names
            if spelling_distance(one.removesuffix(".py"), dead.part) is not None
            and all(_holds(project.text(f"{dead.folder}/{one}"), name) for name in members)
        ]  # fmt: skip
    (best,) = alike if len(alike) == 1 else found if len(found) == 1 else (None,)
    if best is None or (dead.part is None and best.parent == dead.folder and best.stem == last):
        return None
    target = best.parent if best.stem == "__init__" else best.with_suffix("")
    if not relative:
        return ".".join(target.relative_to(root).parts)
    shared = max(at for at, one in enumerate(reversed(here.parents)) if target.is_relative_to(one))
    ups = len(here.parents) - shared
    return "." * ups + ".".join(target.parts[shared:])
