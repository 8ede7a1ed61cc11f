"""Imports as text: which ones bind a name, and where one more belongs in a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from tree_sitter import Node

from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import SourceTree, parse

LINE_LENGTH = 88  # beyond it names get a statement or line of their own
_FROM = re.compile(
    rb"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|(?:[^\n#;\\]|\\\r?\n)*)", re.M
)
_PLAIN = re.compile(rb"^[ \t]*import[ \t]+((?:[^\n#;\\(]|\\\r?\n)*)", re.M)
_COMMENT = re.compile(rb"#[^\n]*")
_NAMED = re.compile(r"([.\w]+)(?:\s+as\s+(\w+))?")
_STATEMENTS = ("import_statement", "import_from_statement")
_FUTURE = "future_import_statement"
_DEFINITIONS = ("function_definition", "class_definition", "decorated_definition")


class Import(NamedTuple):
    """What binds a name: ``import module``, or ``from module import member``, perhaps ``as`` it."""

    name: str
    module: str  # with the dots of a relative one
    member: str | None = None

    @property
    def statement(self) -> str:
        """As it is written, without a line end."""
        source = self.module if self.member is None else self.member
        alias = "" if source == self.name else f" as {self.name}"
        if self.member is None:
            return f"import {self.module}{alias}"
        return f"from {self.module} import {self.member}{alias}"


def imports_of(data: bytes) -> Iterator[Import]:
    """The imports of a file, wherever they stand; by expressions, not parsed."""
    for match in _FROM.finditer(data):
        module = match[1].decode("utf-8", "replace")
        for member, alias in _names(match[2].strip(b"()")):
            yield Import(alias or member, module, member)
    for match in _PLAIN.finditer(data):
        for module, alias in _names(match[1]):
            root = module.partition(".")[0]
            yield Import(alias or root, module if alias else root)


def _names(text: bytes) -> Iterator[tuple[str, str]]:
    """What a list of imports names, and its aliases."""
    for part in _COMMENT.sub(b"", text).replace(b"\\", b"").decode("utf-8", "replace").split(","):
        match = _NAMED.fullmatch(part.strip())
        if match is not None:
            yield match[1], match[2] or ""


@cache
def common_imports() -> Mapping[str, Import]:
    """What programs at large import a name by; `scripts/common_imports.py` counted."""
    data = files("codemtl.syntax").joinpath("common_imports.txt").read_bytes()
    return {one.name: one for one in imports_of(data)}


def insertions(tree: SourceTree, wanted: Iterable[Import]) -> list[Edit]:
    """The edits that add imports to a file, each where its like stand."""
    new = tree.data
    for one in wanted:
        new = apply(new, [_insertion(parse(new), one)])
    return _by_line(tree.data, new)


def _insertion(tree: SourceTree, wanted: Import) -> Edit:
    """One more import: beside what comes of the same module, else in its section, in order."""
    newline = "\r\n" if b"\r\n" in tree.data else "\n"
    head = list(_head(tree.root))
    if wanted.member is not None:
        for node in head:
            edit = _longer(tree, node, wanted, newline)
            if edit is not None:
                return edit
    statement, (section, *_) = wanted.statement + newline, _order_of(wanted)
    alike = [node for node in head if _order(tree, node)[0] == section]
    before = [node for node in alike if _order(tree, node) <= _order_of(wanted)]
    if before:
        return _below(tree.data, before[-1], statement, newline)
    if alike:
        return Edit(alike[0].start_byte, alike[0].start_byte, statement)
    before = [node for node in head if _order(tree, node)[0] < section]
    if before:
        return _below(tree.data, before[-1], newline + statement, newline)
    if head:
        return Edit(head[0].start_byte, head[0].start_byte, statement + newline)
    return _first(tree, statement, newline)


def _head(root: Node) -> Iterator[Node]:
    """The imports of a module before its first definition."""
    for node in root.named_children:
        if node.type in _DEFINITIONS:
            return
        if node.type in (*_STATEMENTS, _FUTURE):
            yield node


def _order(tree: SourceTree, node: Node) -> tuple[int, int, str]:
    """Where a statement stands among imports: of Python's own, others, relative; plain ones first.

    As isort and ruff order them by default, but for the project's own absolute ones.
    """
    if node.type == _FUTURE:
        return (-1, 0, "")
    module = node.child_by_field_name("module_name")
    if module is not None:
        return _rank(tree.text(module), plain=False)
    first = node.child_by_field_name("name")
    text = tree.text(first).split()[0] if first is not None else ""
    return _rank(text, plain=True)


def _order_of(wanted: Import) -> tuple[int, int, str]:
    return _rank(wanted.module, plain=wanted.member is None)


def _rank(module: str, *, plain: bool) -> tuple[int, int, str]:
    root = module.partition(".")[0]
    section = 2 if not root else 0 if root in sys.stdlib_module_names else 1
    return (section, 0 if plain else 1, module.casefold())


def _longer(tree: SourceTree, node: Node, wanted: Import, newline: str) -> Edit | None:
    """One name more in ``from module import ...`` of the same module; None if there is no room."""
    module = node.child_by_field_name("module_name")
    names = node.children_by_field_name("name")
    if module is None or tree.text(module) != wanted.module or not names:
        return None
    new = wanted.statement.rpartition(" import ")[2]
    place = _place(wanted.member or "", [tree.text(one).split()[0] for one in names])
    line = names[min(place, len(names) - 1)]
    indent = _indent(tree.data, line.start_byte)
    edit = (
        Edit(names[place].start_byte, names[place].start_byte,
             f"{new}," + (" " if indent is None else newline + indent))
        if place < len(names)
        else Edit(names[-1].end_byte, names[-1].end_byte,
                  "," + (" " if indent is None else newline + indent) + new)
    )  # fmt: skip
    start = tree.data.rfind(b"\n", 0, edit.start) + 1
    end = tree.data.find(b"\n", edit.start)
    length = (end if end >= 0 else len(tree.data)) - start
    return None if indent is None and length + len(new) + 2 > LINE_LENGTH else edit


def _place(member: str, members: Sequence[str]) -> int:
    """Where a name belongs among others: in their order, if they have one, else last."""
    for key in (str.casefold, str):
        if all(key(one) <= key(other) for one, other in pairwise(members)):
            return sum(key(one) <= key(member) for one in members)
    return len(members)


def _indent(data: bytes, start: int) -> str | None:
    """The blanks before what stands first in its line; None for what does not."""
    before = data[data.rfind(b"\n", 0, start) + 1 : start]
    return None if before.strip() else before.decode()


def _below(data: bytes, node: Node, text: str, newline: str) -> Edit:
    """An insertion below the line in which a statement ends."""
    end = data.find(b"\n", node.end_byte)
    if end < 0:
        return Edit(len(data), len(data), newline + text.removesuffix(newline))
    return Edit(end + 1, end + 1, text)


def _first(tree: SourceTree, statement: str, newline: str) -> Edit:
    """The first import of a file: below its docstring, or what its first comments say."""
    nodes = tree.root.named_children
    above = _preface(nodes)
    below = nodes[above] if above < len(nodes) else None
    if above:
        crowded = below is not None and below.start_point.row == nodes[above - 1].end_point.row + 1
        return _below(tree.data, nodes[above - 1], newline + statement + newline * crowded, newline)
    apart = 2 if below is not None and below.type in _DEFINITIONS else 1
    return Edit(0, 0, statement + newline * apart)


def _preface(nodes: Sequence[Node]) -> int:
    """How many nodes at the top of a module are its docstring and what stands above it.

    Without a docstring, the comments up to the first empty line.
    """
    comments = next((at for at, one in enumerate(nodes) if one.type != "comment"), len(nodes))
    if comments < len(nodes):
        first = nodes[comments]
        if first.type == "expression_statement" and first.named_children[0].type == "string":
            return comments + 1
    together = 0
    while together < comments and (
        not together or nodes[together].start_point.row == nodes[together - 1].end_point.row + 1
    ):
        together += 1
    return together


def _by_line(old: bytes, new: bytes) -> list[Edit]:
    """The edits of lines from one text to another."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [
        Edit(starts[i], starts[j], b"".join(after[k:m]).decode())
        for tag, i, j, k, m in matcher.get_opcodes()
        if tag != "equal"
    ]
