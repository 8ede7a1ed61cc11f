"""Functions and classes of a file, by the names that Python and pytest users know them by.

The tree is searched by a compiled query, not by a walk in Python: this runs over hundreds of
megabytes of source.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tree_sitter import Node, Query

from codemtl.errors import SourceError
from codemtl.syntax.tree import SourceTree, captures, language

LOCALS = "<locals>."
_QUERY = """
(function_definition) @definition
(class_definition) @definition
(decorated_definition) @outer
"""


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """One function or class, or the module. Spans are byte offsets into the tree's text."""

    qualname: str  # as Python's __qualname__: "Outer.method", "outer.<locals>.inner"
    kind: Literal["function", "class", "module"]
    node: Node
    outer: Node  # with decorators; the same as ``node`` where there are none
    parent: Definition | None  # the definition directly around this one

    @property
    def name(self) -> str:
        """The last part of the qualified name."""
        return self.qualname.rpartition(".")[2]

    @property
    def start(self) -> int:
        """Byte offset of the first byte, decorators included."""
        return self.outer.start_byte

    @property
    def end(self) -> int:
        """Byte offset after the last byte."""
        return self.outer.end_byte


def definitions(tree: SourceTree) -> list[Definition]:
    """All functions and classes in source order, nested ones after the one that holds them.

    Broken code yields what can be recovered; a definition without a name is left out.
    """
    found = captures(_query(), tree.root)
    return link_definitions(tree, found.get("definition", []), found.get("outer", []))


def link_definitions(
    tree: SourceTree, nodes: Iterable[Node], decorated: Iterable[Node]
) -> list[Definition]:
    """Name and nest the definition ``nodes``, in source order; ``decorated`` are their wrappers."""
    outers: dict[int, Node] = {}
    for wrapper in decorated:
        inner = wrapper.child_by_field_name("definition")
        if inner is not None:
            outers[inner.id] = wrapper
    found: list[Definition] = []
    around: list[tuple[int, Definition]] = []  # (end, definition) of the open definitions
    for node in nodes:
        name_node = node.child_by_field_name("name")
        if name_node is None or name_node.start_byte == name_node.end_byte:
            continue
        while around and around[-1][0] <= node.start_byte:
            around.pop()
        parent = around[-1][1] if around else None
        prefix = ""
        if parent is not None:
            prefix = parent.qualname + "." + (LOCALS if parent.kind == "function" else "")
        definition = Definition(
            prefix + tree.text(name_node),
            "function" if node.type == "function_definition" else "class",
            node,
            outers.get(node.id, node),
            parent,
        )
        around.append((node.end_byte, definition))
        found.append(definition)
    return found


def functions(tree: SourceTree) -> list[Definition]:
    """Only the functions and methods, nested ones included, in source order."""
    return [found for found in definitions(tree) if found.kind == "function"]


def find_all(tree: SourceTree, qualname: str) -> list[Definition]:
    """Every definition of that name: a property has a getter and a setter of one name.

    ``outer.inner`` also finds ``outer.<locals>.inner``. Raises SourceError, naming what is near.
    """
    known = definitions(tree)
    wanted = qualname.replace(LOCALS, "")
    found = [one for one in known if one.qualname.replace(LOCALS, "") == wanted]
    if found:
        return found
    names = list(dict.fromkeys(one.qualname for one in known))
    near = difflib.get_close_matches(qualname, names, n=3)
    near = near or [name for name in names if name.rpartition(".")[2] == wanted.rpartition(".")[2]]
    if near:
        hint = "did you mean " + " or ".join(near[:3]) + "?"
    elif names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        hint = "the file has " + ", ".join(names[:5]) + more
    else:
        hint = "the file has no functions or classes"
    raise SourceError(f"there is no function or class {qualname!r}: {hint}")


def find(tree: SourceTree, qualname: str) -> Definition:
    """Find the first definition of that name that is no mere ``@overload``, or SourceError."""
    found = find_all(tree, qualname)
    for one in found:
        head = tree.data[one.start : one.node.start_byte]
        if b"overload" not in head:
            return one
    return found[0]


@cache
def _query() -> Query:
    return Query(language(), _QUERY)
