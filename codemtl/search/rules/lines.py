"""The lines of statements, and edits of whole lines."""

from __future__ import annotations

from tree_sitter import Node

from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

LOOPS = ("for_statement", "while_statement")
COMPOUND = frozenset({
    "if_statement", "with_statement", "try_statement", "function_definition", "class_definition",
    "match_statement", "decorated_definition", *LOOPS,
})  # fmt: skip
ENDS = frozenset({"return_statement", "break_statement", "continue_statement", "raise_statement"})


def lines_of(view: FunctionView, node: Node) -> tuple[int, int]:
    """The bytes of a statement's lines: from the start of the first to after the last line feed."""
    data = view.tree.data
    end = data.find(b"\n", node.end_byte)
    return view.line_start(node), len(data) if end < 0 else end + 1


def block_of(node: Node) -> list[Node]:
    """The statements of the block around a statement."""
    parent = node.parent
    found = parent.named_children if parent is not None else [node]
    return [one for one in found if one.type != "comment"]


def alone(view: FunctionView, node: Node) -> bool:
    """Whether the statement's lines hold nothing else."""
    end = view.tree.data.find(b"\n", node.end_byte)
    rest = view.tree.data[node.end_byte : end if end >= 0 else None].strip()
    return view.begins_line(node) and (not rest or rest.startswith(b"#"))


def shifted(text: str, old: str, new: str) -> str:
    """Lines indented by ``new`` where they were by ``old``."""
    lines = text.split("\n")
    return "\n".join(
        new + line[len(old) :] if line.startswith(old) else line for line in lines
    )  # fmt: skip


def text_of_lines(view: FunctionView, node: Node) -> str:
    """A statement with what stands beside it on its lines; it ends in a line feed."""
    start, end = lines_of(view, node)
    text = view.tree.data[start:end].decode()
    return text if text.endswith("\n") else text + "\n"


def insertion(view: FunctionView, before: Node, lines: str) -> Edit:
    """New lines above a statement; each of ``lines`` ends in a line feed."""
    start = view.line_start(before)
    return Edit(start, start, lines)


def after(view: FunctionView, node: Node, lines: str) -> Edit:
    """New lines below a statement; each of ``lines`` ends in a line feed."""
    _, end = lines_of(view, node)
    if end == len(view.tree.data) and not view.tree.data.endswith(b"\n"):
        return Edit(end, end, "\n" + lines.removesuffix("\n"))
    return Edit(end, end, lines)
