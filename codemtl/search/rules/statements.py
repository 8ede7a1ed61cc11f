"""Statements: one too many, one missing, or in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.nodes import PLAIN, inside
from codemtl.search.rules.conditions import conditions
from codemtl.search.rules.insertions import insertion_rules
from codemtl.search.rules.lines import (
    COMPOUND,
    LOOPS,
    alone,
    block_of,
    insertion,
    lines_of,
    shifted,
    text_of_lines,
)
from codemtl.search.rules.omissions import lost_rules
from codemtl.search.rules.proposal import Proposal, exchange, replace
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit
from codemtl.syntax.tree import walk


def statement_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Edits that take away, move, guard or add whole statements at ``node``."""
    yield from _deleted(view, node)
    yield from _moved(view, node)
    yield from _guarded(view, node)
    yield from insertion_rules(view, node)
    yield from _turned(view, node)
    yield from lost_rules(view, node)


# --- too many, wrong place


def _deleted(view: FunctionView, node: Node) -> Iterator[Proposal]:
    if not alone(view, node):
        return
    block = block_of(node)
    start, end = lines_of(view, node)
    if len(block) == 1:
        yield Proposal("delete", (Edit(node.start_byte, node.end_byte, "pass"),), 0.5)
    else:
        yield Proposal("delete", (Edit(start, end, ""),))
    at = block.index(node) if node in block else -1
    for count in (2, 3):
        if at >= 0 and at + count <= len(block) - (len(block) == count):
            last = block[at + count - 1]
            if alone(view, last):
                yield Proposal("delete-run", (Edit(start, lines_of(view, last)[1], ""),), 1 / count)
    alternative = node.child_by_field_name("alternative")
    if alternative is not None and view.begins_line(alternative):
        clauses = [one for one in node.named_children if one.type in ("elif_clause", "else_clause")]
        for clause in clauses:
            low = view.tree.data.rfind(b"\n", 0, clause.start_byte)
            yield Proposal("delete", (Edit(low, clause.end_byte, ""),), 0.5)
    if node.type in ("if_statement", *LOOPS) and alternative is None:
        body = node.child_by_field_name("consequence") or node.child_by_field_name("body")
        if body is not None and body.named_children and view.begins_line(body.named_children[0]):
            inner = view.indent(body.named_children[0])
            text = view.tree.data[view.line_start(body.named_children[0]) : end].decode()
            yield Proposal("unguard", (Edit(start, end, shifted(text, inner, view.indent(node))),))


def _moved(view: FunctionView, node: Node) -> Iterator[Proposal]:
    if not alone(view, node):
        return
    block = block_of(node)
    at = block.index(node) if node in block else -1
    if 0 <= at < len(block) - 1 and alone(view, block[at + 1]):
        other = block[at + 1]
        texts = (text_of_lines(view, node), text_of_lines(view, other))
        one, two = lines_of(view, node), lines_of(view, other)
        yield Proposal("move", (Edit(*one, texts[1]), Edit(*two, texts[0])))
        if other.type in COMPOUND:
            yield from _into(view, node, other)
    if at > 0 and block[at - 1].type in COMPOUND:
        yield from _indented(view, node, block[at - 1])
    if at == len(block) - 1 and at > 0:
        yield from _dedented(view, node)


def _into(view: FunctionView, node: Node, compound: Node) -> Iterator[Proposal]:
    """Move a statement to the top of the block below it."""
    body = compound.child_by_field_name("body") or compound.child_by_field_name("consequence")
    if body is None or not body.named_children or not view.begins_line(body.named_children[0]):
        return
    first = body.named_children[0]
    text = shifted(text_of_lines(view, node), view.indent(node), view.indent(first))
    yield Proposal("reindent", (Edit(*lines_of(view, node), ""), insertion(view, first, text)))


def _indented(view: FunctionView, node: Node, above: Node) -> Iterator[Proposal]:
    """Move a statement into the block above it, or into a new ``else`` of it."""
    depth = view.indent(node)
    start, end = lines_of(view, node)
    last = _last_statement(view, above)
    text = text_of_lines(view, node)
    levels = [depth + view.unit] if last is None else [view.indent(last), depth + view.unit]
    for level in dict.fromkeys(levels):
        yield Proposal("reindent", (Edit(start, end, shifted(text, depth, level)),))
    if above.type in ("if_statement", *LOOPS):
        clauses = [one.type for one in above.named_children]
        if "else_clause" not in clauses:
            lines = f"{depth}else:\n{shifted(text, depth, depth + view.unit)}"
            yield Proposal("else", (Edit(start, end, lines),))


def _last_statement(view: FunctionView, node: Node) -> Node | None:
    """The last simple statement inside a compound one, where it begins its line."""
    found = [
        one for one in walk(node)
        if one.parent is not None and one.parent.type == "block" and view.begins_line(one)
    ]  # fmt: skip
    return found[-1] if found else None


def _dedented(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Move the last statement of a block out of it."""
    parent = inside(node, *COMPOUND)
    if parent is None or parent == view.node or not view.begins_line(parent):
        return
    if node.end_byte != parent.end_byte:
        return
    text = shifted(text_of_lines(view, node), view.indent(node), view.indent(parent))
    yield Proposal("reindent", (Edit(*lines_of(view, node), text),))


def _guarded(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Put a statement under a condition."""
    if not alone(view, node) or node.type in ("function_definition", "class_definition"):
        return
    depth = view.indent(node)
    text = shifted(text_of_lines(view, node), depth, depth + view.unit)
    simple = node.type not in COMPOUND
    for condition, share in conditions(view, node):
        yield Proposal(
            "guard", (Edit(*lines_of(view, node), f"{depth}if {condition}:\n{text}"),),
            share * (1.0 if simple else 0.3),
        )  # fmt: skip


# --- another word at its start


def _turned(view: FunctionView, node: Node) -> Iterator[Proposal]:
    start = node.start_byte
    kind = node.type
    if kind == "if_statement":
        block = block_of(node)
        at = block.index(node) if node in block else -1
        if at > 0 and block[at - 1].type == "if_statement" and view.begins_line(node):
            yield Proposal("if-elif", (Edit(start, start + 2, "elif"),))
        yield Proposal("if-while", (Edit(start, start + 2, "while"),))
        for clause in node.named_children:
            if clause.type == "elif_clause" and view.begins_line(clause):
                at_byte = clause.start_byte
                yield Proposal("if-elif", (Edit(at_byte, at_byte + 4, "if"),))
    elif kind == "while_statement":
        yield Proposal("if-while", (Edit(start, start + 5, "if"),))
    elif kind in ("break_statement", "continue_statement"):
        other = "continue" if kind == "break_statement" else "break"
        yield Proposal("exit", (Edit(start, node.end_byte, other),))
        yield Proposal("exit", (Edit(start, node.end_byte, "pass"),), 0.3)
    elif kind == "expression_statement" and node.named_child_count == 1:
        inner = node.named_children[0]
        if inner.type in ("call", "identifier", "binary_operator", "comparison_operator"):
            yield Proposal("return", (Edit(start, start, "return "),))
        if inner.type == "call":
            for name in view.locals_at(node):
                yield Proposal("assign", (Edit(start, start, f"{name} = "),), 0.3)
        for name in view.locals_at(node) if inner.type == "binary_operator" else ():
            if re.search(rf"(?<![\w.]){name}\b", view.text(inner)):
                yield Proposal("assign", (Edit(start, start, f"{name} = "),), 0.3)
        if inner.type in ("assignment", "augmented_assignment"):
            yield from _targets(view, inner)
    elif kind == "return_statement":
        yield from _returns(view, node)


def _targets(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Another variable is assigned to; an assignment adds up; the value is returned."""
    left, right = (node.child_by_field_name(key) for key in ("left", "right"))
    if left is None or right is None:
        return
    here = view.text(left)
    sign = node.child_by_field_name("operator")
    if sign is not None:  # += changes what others hold too
        value = view.text(right)
        value = value if right.type in ("call", *PLAIN) else f"({value})"
        whole = f"{here} = {here} {view.text(sign)[:-1]} {value}"
        yield replace("unaugmented", node, whole)
    if left.type == "identifier":
        for name in view.names:
            if name != here:
                yield Proposal("target", (Edit(left.start_byte, left.end_byte, name),))
        yield Proposal("return", (Edit(node.start_byte, right.start_byte, "return "),), 0.5)
        if node.type == "assignment":
            for operator, share in (("+", 1.0), ("-", 0.3), ("*", 0.3)):
                yield Proposal(
                    "accumulate",
                    (Edit(left.end_byte, right.start_byte, f" {operator}= "),), share,
                )  # fmt: skip
    elif left.type == "pattern_list" and right.type == "expression_list":
        pairs = (left.named_children, right.named_children)
        if len(pairs[0]) == len(pairs[1]) == 2:
            one, two = pairs[1]
            yield exchange("swap-item", view, one, two)


def _returns(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """What two returns give is exchanged; True and False everywhere."""
    if not node.named_children:
        for name in view.names:
            yield Proposal("return-value", (Edit(node.end_byte, node.end_byte, f" {name}"),))
        return
    others = [
        one for one in walk(view.body) if one.type == "return_statement" and one.named_children
    ]
    value = node.named_children[0]
    for other in others:
        if other != node:
            two = other.named_children[0]
            if view.text(two) != view.text(value) and two.end_byte - two.start_byte < 80:
                yield exchange("swap-returns", view, value, two)
    flags = [one.named_children[0] for one in others
             if one.named_children[0].type in ("true", "false")]  # fmt: skip
    if len(flags) > 1 and value in flags:
        turned = {"true": "False", "false": "True"}
        yield Proposal(
            "flip-returns", tuple(Edit(f.start_byte, f.end_byte, turned[f.type]) for f in flags)
        )
    names = list(view.names)
    for name in names:
        for other_name in names:
            if name != other_name:
                text = f"{name}, {other_name}"
                edit = Edit(value.start_byte, value.end_byte, text)
                yield Proposal("return-pair", (edit,), 0.1)
