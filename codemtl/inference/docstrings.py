"""A summary as a docstring at its place: an edit that leaves every other byte alone.

    def area(r: float) -> float:            def area(r: float) -> float:
        return PI * r * r             →         \"\"\"Compute the area of a circle.\"\"\"
                                                return PI * r * r

The sections of the styles list what the signature says (names, types, defaults) and invent no
descriptions.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from codemtl.errors import EditError
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit
from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.results import Style
from codemtl.syntax.tree import SourceTree

WIDTH = 88  # columns, indentation included
_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIRST_INDENT = re.compile(rb"(?:^|[\r\n])([ \t]+)[^\s#]")
_BLANK = re.compile(rb"[ \t\f]+")
_BARE_LINE = re.compile(  # without code: continued lines count as one, as Python has it
    rb"(?:[ \t\f]|\\(?:\r\n|\n|\r))*(?P<comment>#[^\r\n]*)?(?:\r\n|\n|\r)"
)
_TYPE_COMMENT = re.compile(rb"#[ \t]*type:")


class Parameter(NamedTuple):
    """One parameter as written; "" for no annotation or default, or a default of several lines."""

    name: str  # with its stars
    annotation: str
    default: str


def docstring_edit(tree: SourceTree, function: Definition, summary: str, style: Style) -> Edit:
    """The edit that gives ``function`` a docstring, in place of one that it may have.

    Raises EditError where more than white space would be lost.
    """
    data, node = tree.data, function.node
    outer_indent = _indent_at(data, node.start_byte)
    indent = outer_indent + _indent_unit(data)
    line_end = line_ending(data)
    existing = docstring_node(node)
    if existing is not None:
        indent = _indent_at(data, existing.start_byte, indent)
        literal = docstring(tree, function, summary, style, indent)
        return Edit(existing.start_byte, existing.end_byte, _with_line_ends(literal, line_end))
    header_end, statement = body_bounds(function)
    if statement is None:  # a header without a body
        literal = docstring(tree, function, summary, style, indent)
        return Edit(header_end, header_end, _with_line_ends(f"\n{indent}{literal}", line_end))
    bare = _bare_lines(data, header_end, statement)
    if not bare:  # the body stands on the line of the header
        if data[header_end:statement].replace(b"\\", b"").strip():
            raise EditError("there is text between the header and the first statement")
        literal = docstring(tree, function, summary, style, indent)
        text = f"\n{indent}{literal}\n{indent}"
        return Edit(header_end, statement, _with_line_ends(text, line_end))
    before = _BLANK.search(data, bare[-1].end(), statement)
    indent = before[0].decode() if before else indent
    literal = docstring(tree, function, summary, style, indent)
    place = _place(bare)
    return Edit(place, place, _with_line_ends(f"{indent}{literal}\n", line_end))


def docstring(
    tree: SourceTree, function: Definition, summary: str, style: Style, indent: str
) -> str:
    """The literal, quotes included; lines after the first start with ``indent``."""
    text = " ".join(summary.split()).replace("\\", "\\\\").replace('"""', "'''")
    room = max(40, WIDTH - len(indent.expandtabs(4)))
    sections = _SECTIONS[style](parameters(tree, function), _returns(tree, function))
    lines = textwrap.wrap(text, room - 3, break_long_words=False, break_on_hyphens=False) or [""]
    if not sections and len(lines) == 1 and len(lines[0]) + 6 <= room:
        ending = " " if lines[0].endswith('"') else ""
        return f'"""{lines[0]}{ending}"""'
    lines += [part.replace("\\", "\\\\").replace('"""', r"\"\"\"") for part in sections]
    indented = [lines[0], *(indent + line if line else "" for line in lines[1:])]
    return '"""' + "\n".join([*indented, indent]) + '"""'


def parameters(tree: SourceTree, function: Definition) -> list[Parameter]:
    """The parameters in order, without ``self`` or ``cls`` of a method."""
    holder = function.node.child_by_field_name("parameters")
    found = []
    for node in holder.named_children if holder else []:
        annotation = node.child_by_field_name("type")
        default = _default(tree, node.child_by_field_name("value"))
        name: Node | None = node.child_by_field_name("name")
        if node.type in ("identifier", "list_splat_pattern", "dictionary_splat_pattern"):
            name = node
        elif node.type == "typed_parameter":
            name = node.named_children[0]
        if name is not None:
            found.append(Parameter(_flat(tree, name), _flat(tree, annotation), default))
    is_method = function.parent is not None and function.parent.kind == "class"
    if is_method and found and found[0].name in ("self", "cls"):
        del found[0]
    return found


def body_bounds(function: Definition) -> tuple[int, int | None]:
    """Byte offsets of the end of the header's colon and of the first statement, if there is one."""
    node = function.node
    body = node.child_by_field_name("body")
    colons = [child for child in node.children if child.type == ":"]
    header_end = colons[-1].end_byte if colons else node.end_byte
    if body is None or not body.named_children:
        return header_end, None
    return header_end, body.start_byte


def body_indent(tree: SourceTree, function: Definition) -> str:
    """The white space in front of the function's statements, or what it would be."""
    _, statement = body_bounds(function)
    fallback = _indent_at(tree.data, function.node.start_byte) + _indent_unit(tree.data)
    return fallback if statement is None else _indent_at(tree.data, statement, fallback)


def line_ending(data: bytes) -> str:
    """What ends the first line; a line feed if nothing does."""
    match = _LINE_END.search(data)
    return match[0].decode() if match else "\n"


def _indent_at(data: bytes, offset: int, fallback: str = "") -> str:
    """The white space before ``offset`` on its line; ``fallback`` if other text stands there."""
    start = max(data.rfind(b"\n", 0, offset), data.rfind(b"\r", 0, offset)) + 1
    before = data[start:offset]
    return fallback if before.strip() else before.decode()


def _indent_unit(data: bytes) -> str:
    match = _FIRST_INDENT.search(data)
    return "\t" if match and match[1].startswith(b"\t") else "    "


def _bare_lines(data: bytes, start: int, end: int) -> list[re.Match[bytes]]:
    """The rest of a header's line, and the lines without code below it, up to the statement."""
    found = []
    while match := _BARE_LINE.match(data, start, end):
        found.append(match)
        start = match.end()
    return found


def _place(bare: list[re.Match[bytes]]) -> int:
    """Where the docstring's line begins: below the header, and below a comment on its types."""
    for line in bare[1:]:
        if line["comment"]:
            return line.end() if _TYPE_COMMENT.match(line["comment"]) else bare[0].end()
    return bare[0].end()


def _with_line_ends(text: str, line_end: str) -> str:
    return text.replace("\n", line_end)


def _flat(tree: SourceTree, node: Node | None) -> str:
    """The text of a node on one line: without comments, and with strings as they are."""
    text, end = "", 0
    for leaf in _leaves(node):
        if leaf.type in ("comment", "line_continuation"):
            continue
        part = tree.text(leaf)
        if "\n" in part or "\r" in part:  # a string of several lines
            part = " ".join(part.split())
        text += " " + part if text and leaf.start_byte > end else part
        end = leaf.end_byte
    return text


def _leaves(node: Node | None) -> Iterator[Node]:
    """The leaves below a node in source order; a string is one."""
    waiting = [node] if node is not None else []
    while waiting:
        one = waiting.pop()
        if one.children and one.type != "string":
            waiting += reversed(one.children)
        else:
            yield one


def _default(tree: SourceTree, node: Node | None) -> str:
    """A default as written; "" where it spans several lines."""
    if node is None or _LINE_END.search(tree.data, node.start_byte, node.end_byte):
        return ""
    return _flat(tree, node)


def _returns(tree: SourceTree, function: Definition) -> str:
    text = _flat(tree, function.node.child_by_field_name("return_type"))
    return "" if text in ("None", "NoReturn", "Never") else text


def _google(params: list[Parameter], returns: str) -> list[str]:
    lines = ["", "Args:"] if params else []
    for name, annotation, default in params:
        kind = f" ({annotation})" if annotation else ""
        lines.append(f"    {name}{kind}:" + (f" Default {default}." if default else ""))
    return lines + (["", "Returns:", f"    {returns}"] if returns else [])


def _numpy(params: list[Parameter], returns: str) -> list[str]:
    lines = ["", "Parameters", "----------"] if params else []
    for name, annotation, default in params:
        facts = ", ".join(filter(None, [annotation, default and f"default {default}"]))
        lines.append(f"{name} : {facts}" if facts else name)
    return lines + (["", "Returns", "-------", returns] if returns else [])


def _sphinx(params: list[Parameter], returns: str) -> list[str]:
    lines = [""] if params or returns else []
    for name, annotation, default in params:
        lines.append(f":param {name}:" + (f" Default {default}." if default else ""))
        if annotation:
            lines.append(f":type {name}: {annotation}")
    return lines + ([f":rtype: {returns}"] if returns else [])


def _plain(params: list[Parameter], returns: str) -> list[str]:
    return []


_SECTIONS = {"google": _google, "numpy": _numpy, "sphinx": _sphinx, "plain": _plain}
