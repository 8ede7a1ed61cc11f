"""Imports of a project's own modules that lead nowhere, and where they should lead.

Reported is ``from module import name`` where the module is not on the disk, or its file does not
hold the name at all, unless that is tried out or stands under a condition.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from tree_sitter import Node, Query

from codemtl.inference.missing_imports import offers
from codemtl.inference.own_modules import Folder, Found, Gone, OwnModules, holds
from codemtl.inference.project import Project
from codemtl.syntax.discovery import is_test
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.suggestions import spelling_distance
from codemtl.syntax.tree import SourceTree, captures, language

_GUARDS = ("try_statement", "with_statement", "match_statement", "ERROR")


class StaleImport(NamedTuple):
    """An import whose module is not there, or has not what is imported from it."""

    start: int  # bytes of the module's name
    end: int
    module: str
    lacks: str | None  # a name; None if there is no such module
    instead: str | None  # a module that has all that is imported
    function: str | None  # around it


def stale_imports(scopes: Scopes, project: Project) -> list[StaleImport]:
    """Those of a file, in source order."""
    tree, own = scopes.tree, OwnModules(project)
    if not own.top or b"sys.path" in tree.data:
        return []
    found = []
    for node in captures(_query(), tree.root).get("import", []):
        module = node.child_by_field_name("module_name")
        members = [tree.text(one).split()[0] for one in node.children_by_field_name("name")]
        place = None if module is None else own.base(tree.text(module))
        if module is None or place is None or not members or _is_guarded(tree, node):
            continue
        there = own.look(*place)
        lacks = own.lacks(there, members) if isinstance(there, Found) else None
        if not isinstance(there, Gone) and lacks is None:
            continue
        name = tree.text(module)
        instead = _instead(own, there, name, members)
        owner = scopes.function_of(scopes.scope_at(module).index)
        function = owner.qualname if owner is not None else None
        found.append(
            StaleImport(module.start_byte, module.end_byte, name, lacks, instead, function)
        )
    return found


def _is_guarded(tree: SourceTree, node: Node) -> bool:
    """Whether something is tried out, or stands under a condition that is no type checker's."""
    above = node.parent
    while above is not None:
        if above.type in _GUARDS or (
            above.type == "if_statement"
            and b"TYPE_CHECKING" not in tree.data[above.start_byte : above.start_byte + 60]
        ):
            return True
        above = above.parent
    return False


@cache
def _query() -> Query:
    return Query(language(), "(import_from_statement) @import")


def _instead(
    own: OwnModules, there: Found | Gone | None, name: str, members: list[str]
) -> str | None:
    """Another module of the package that defines all that is imported.

    One that is called so, or nearly so, before all others, of which there may be only one.
    """
    project, last, package = own.project, name.rpartition(".")[2], own.root / own.top
    found = [
        Folder(path) for path, text in project.holding(members[0])
        if Folder(path).is_relative_to(package) and is_test(path) <= is_test(project.place)
        and all(offers(text, one) for one in members)
    ]  # fmt: skip
    alike = [one for one in found if one.stem == last]
    alike = alike or [one for one in found if spelling_distance(one.stem, last) is not None]
    if not found and isinstance(there, Gone):
        alike = [
            there.folder / one for one in project.names(str(there.folder))
            if one.endswith(".py")
            and spelling_distance(one.removesuffix(".py"), there.part) is not None
            and all(holds(project.text(f"{there.folder}/{one}"), member) for member in members)
        ]  # fmt: skip
    best = alike[0] if len(alike) == 1 else found[0] if len(found) == 1 else None
    if best is None or (isinstance(there, Found) and best == there.file):
        return None
    target = best.parent if best.stem == "__init__" else best.with_suffix("")
    if not name.startswith("."):
        return ".".join(target.relative_to(own.root).parts)
    folders = [*own.here.parents]
    ups = next(at for at, one in enumerate(folders) if target.is_relative_to(one))
    return "." * (ups + 1) + ".".join(target.relative_to(folders[ups]).parts)
