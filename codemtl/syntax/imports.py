"""Imports as text: which ones bind a name, and where one more belongs in a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from tree_sitter import Node

from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import SourceTree, parse

LINE_LENGTH = 88  # beyond it names get a statement or line of their own
_FROM = re.compile(
    rb"(?:^|;)([ \t\f]*)from[ \t]+([.\w]+)[ \t]+import[ \t]*"
    rb"(\((?:[^()#]|#[^\n]*)*\)|(?:[^\n#;\\]|\\\r?\n)*)",
    re.M,
)
_PLAIN = re.compile(rb"(?:^|;)([ \t\f]*)import[ \t]+((?:[^\n#;\\(]|\\\r?\n)*)", re.M)
_TEXT = re.compile(rb'"""(?:[^"\\]|\\.|"(?!""))*"""|' rb"'''(?:[^'\\]|\\.|'(?!''))*'''", re.S)
_COMMENT = re.compile(rb"#[^\n]*")
_NAMED = re.compile(r"([.\w]+)(?:\s+as\s+(\w+))?")
_CODING = re.compile(r"#!|#.*coding[:=]")
_STATEMENTS = ("import_statement", "import_from_statement")
_FUTURE = "future_import_statement"
_DEFINITIONS = ("function_definition", "class_definition", "decorated_definition")
_STRINGS = ("string", "concatenated_string", "parenthesized_expression")


class Import(NamedTuple):
    """What binds a name: ``import module``, or ``from module import member``, perhaps ``as`` it.

    ``import a.b`` binds ``a``.
    """

    name: str
    module: str  # with the dots of a relative one
    member: str | None = None

    @property
    def statement(self) -> str:
        """As it is written, without a line end."""
        source = self.module.partition(".")[0] if self.member is None else self.member
        alias = "" if source == self.name else f" as {self.name}"
        if self.member is None:
            return f"import {self.module}{alias}"
        return f"from {self.module} import {self.member}{alias}"


@lru_cache(maxsize=256)
def imports_of(data: bytes, *, top: bool = False) -> tuple[Import, ...]:
    """The imports of a file, by expressions, not parsed; with ``top`` those of its first column.

    That is, neither within functions nor under conditions. Those in longer strings do not count.
    """
    return tuple(_imports(_TEXT.sub(b"", data), top=top))


def _imports(data: bytes, *, top: bool) -> Iterator[Import]:
    for match in _FROM.finditer(data):
        if top and match[1]:
            continue
        module = match[2].decode("utf-8", "replace")
        for member, alias in _names(match[3].strip(b"()")):
            yield Import(alias or member, module, member)
    for match in _PLAIN.finditer(data):
        if top and match[1]:
            continue
        for module, alias in _names(match[2]):
            root = module.partition(".")[0]
            if alias != root or alias == module:  # ``import a.b as a`` is beyond us
                yield Import(alias or root, module)


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
    """The edits that add imports to a file, each where its like stand; they only insert."""
    data, placed = tree.data, list[Edit]()
    for one in wanted:
        edit = _insertion(parse(apply(data, placed)), one)
        placed = _with(placed, edit)
    return placed


def _with(placed: Sequence[Edit], new: Edit) -> list[Edit]:
    """Insertions into a text, and one more into what they make of it."""
    shift, out, at = 0, list(placed), new.start
    for index, one in enumerate(placed):
        text = one.replacement.encode()
        begin = one.start + shift
        if at < begin:
            break
        if at <= begin + len(text):  # into what was inserted
            both = text[: at - begin] + new.replacement.encode() + text[at - begin :]
            out[index] = Edit(one.start, one.start, both.decode())
            return out
        shift += len(text)
    return sorted([*out, Edit(at - shift, at - shift, new.replacement)])


def _insertion(tree: SourceTree, wanted: Import) -> Edit:
    """One more import: beside what comes of the same module, else in its section, in order."""
    newline = "\r\n" if 2 * tree.data.count(b"\r\n") > tree.data.count(b"\n") else "\n"
    head = _head(tree, wanted.name)
    if wanted.member is not None:
        same = [node for node in head if _module_name(tree, node) == wanted.module]
        edit = _longer(tree, same[0], wanted, newline) if len(same) == 1 else None
        if edit is not None:
            return edit
    statement, (section, *_) = wanted.statement + newline, _order_of(wanted)
    alike = [node for node in head if _order(tree, node)[0] == section]
    before = [node for node in alike if _order(tree, node) <= _order_of(wanted)]
    if before:
        return _below(tree, before[-1], statement, newline)
    if alike:
        return Edit(alike[0].start_byte, alike[0].start_byte, statement)
    before = [node for node in head if _order(tree, node)[0] < section]
    if before:
        return _below(tree, before[-1], newline + statement, newline)
    if head:
        return Edit(head[0].start_byte, head[0].start_byte, statement + newline)
    return _first(tree, statement, newline)


def _head(tree: SourceTree, name: str) -> list[Node]:
    """The imports of a module before its first definition, and before it needs the name."""
    found = list[Node]()
    word = re.compile(rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)")
    for node in tree.root.named_children:
        if node.type in _DEFINITIONS:
            break
        if node.type in (*_STATEMENTS, _FUTURE):
            begins = _indent(tree.data, node.start_byte) is not None
            found += [node] if begins or found else []
        elif node.type == "comment" or _is_text(node):
            continue
        elif word.search(tree.data, node.start_byte, node.end_byte):
            break
    return found


def _is_text(node: Node) -> bool:
    """Whether a statement is a string, as a docstring is."""
    return node.type == "expression_statement" and node.named_children[0].type in _STRINGS


def _module_name(tree: SourceTree, node: Node) -> str | None:
    """The module of ``from module import``, unless all of it is imported."""
    module = node.child_by_field_name("module_name")
    if module is None or not node.children_by_field_name("name"):
        return None
    return tree.text(module)


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
    names = node.children_by_field_name("name")
    together = b"(" in tree.data[node.start_byte : names[0].start_byte]
    if not together and node.start_point.row != node.end_point.row:
        return None  # a backslash
    new = wanted.statement.rpartition(" import ")[2]
    place = _place(wanted.member or "", [tree.text(one).split()[0] for one in names])
    if place < len(names):
        at = names[place].start_byte
        indent = _indent(tree.data, at)
        return (
            _fits(tree, at, f"{new}, ")
            if indent is None
            else Edit(at, at, f"{new},{newline}{indent}")
        )
    at = names[-1].end_byte
    indent = _indent(tree.data, names[-1].start_byte)
    if indent is None or not together:
        return _fits(tree, at, f", {new}")
    end = tree.data.find(b"\n", at)
    if re.fullmatch(rb"[ \t]*,[ \t]*#.*", tree.data[at:end].rstrip(b"\r")):  # of that name
        return Edit(end + 1, end + 1, f"{indent}{new},{newline}")
    return Edit(at, at, f",{newline}{indent}{new}")


def _fits(tree: SourceTree, at: int, text: str) -> Edit | None:
    """An insertion into a line that does not get too long."""
    start, end = tree.data.rfind(b"\n", 0, at) + 1, tree.data.find(b"\n", at)
    length = (end if end >= 0 else len(tree.data)) - start
    return Edit(at, at, text) if length + len(text) <= LINE_LENGTH else None


def _place(member: str, members: Sequence[str]) -> int:
    """Where a name belongs among others: in their order, if they have one, else last."""
    for key in (_by_type, str.casefold):
        if all(key(one) <= key(other) for one, other in pairwise(members)):
            return sum(key(one) <= key(member) for one in members)
    return len(members)


def _by_type(name: str) -> str:
    """Constants, classes, and what is written small, as isort and ruff order names by default."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return f"{kind}{name.casefold()}"


def _indent(data: bytes, start: int) -> str | None:
    """The blanks before what stands first in its line; None for what does not."""
    before = data[data.rfind(b"\n", 0, start) + 1 : start]
    return None if before.strip() else before.decode()


def _below(tree: SourceTree, node: Node, text: str, newline: str) -> Edit:
    """An insertion below the line in which a statement ends, and all that ends in it."""
    end, row = node.end_byte, node.end_point.row
    for other in tree.root.children:
        if other.start_byte >= end and other.start_point.row == row:
            end, row = other.end_byte, other.end_point.row
    line_end = tree.data.find(b"\n", end)
    if line_end < 0:
        return Edit(len(tree.data), len(tree.data), newline + text.removesuffix(newline))
    return Edit(line_end + 1, line_end + 1, text)


def _first(tree: SourceTree, statement: str, newline: str) -> Edit:
    """The first import of a file: below its docstring, or what its first comments say."""
    nodes = tree.root.named_children
    above = _preface(tree, nodes)
    below = nodes[above] if above < len(nodes) else None
    if above:
        crowded = below is not None and below.start_point.row == nodes[above - 1].end_point.row + 1
        text = newline + statement + newline * crowded
        return _below(tree, nodes[above - 1], text, newline)
    code = next((one for one in nodes if one.type != "comment"), None)
    apart = 2 if code is not None and code.type in _DEFINITIONS else 1
    return Edit(0, 0, statement + newline * apart)


def _preface(tree: SourceTree, nodes: Sequence[Node]) -> int:
    """How many nodes at the top of a module are its docstring and what stands above it.

    Without a docstring, the comments up to the first empty line, unless they are of a definition.
    """
    comments = next((at for at, one in enumerate(nodes) if one.type != "comment"), len(nodes))
    if comments < len(nodes) and _is_text(nodes[comments]):
        return comments + 1
    together = 0
    while together < comments and (
        not together or nodes[together].start_point.row == nodes[together - 1].end_point.row + 1
    ):
        together += 1
    if together and together < len(nodes) and not _CODING.match(tree.text(nodes[0])):
        below, last = nodes[together], nodes[together - 1]
        if below.type in _DEFINITIONS and below.start_point.row == last.end_point.row + 1:
            return 0
    return together
