"""Terms of expressions: too many, too few, in the wrong order, or another one in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.kinds import NUMBER, SEQUENCE, TEXT, UNKNOWN, fits
from codemtl.search.rules.names import ECHO, echoes, likeness, name_rules
from codemtl.search.rules.proposal import Proposal, exchange, replace
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit
from codemtl.syntax.tree import walk

MAX_DONOR = 60  # characters
MAX_DONORS, MAX_OPERANDS = 160, 80  # expressions around a place that may stand or be added there
MAX_EXCHANGE = 200
MAX_CHAIN = 13  # operands and operators of a chain, that are grouped otherwise
MAX_PAIRS = 12  # attributes of other objects that may be meant
_COUNTED = ("identifier", "attribute", "call", "subscript", "binary_operator")
_ITEMS = ("list", "tuple", "set", "expression_list", "pattern_list", "tuple_pattern",
          "argument_list")  # fmt: skip


def term_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Edits of one expression and its parts."""
    kind = node.type
    if kind == "binary_operator":
        yield from _chain(view, node)
        yield from _swap(view, node)
    elif kind == "boolean_operator":
        yield from _boolean(view, node)
    elif kind == "comparison_operator":
        if node.named_child_count == 2:
            left, right = node.named_children
            yield exchange("swap", view, left, right)
    elif kind == "unary_operator":
        argument = node.child_by_field_name("argument")
        if argument is not None:
            yield replace("drop-sign", node, view.text(argument))
    elif kind == "conditional_expression" and node.named_child_count == 3:
        yes, _, no = node.named_children
        yield replace("ternary-arm", node, view.text(yes))
        yield replace("ternary-arm", node, view.text(no))
        yield exchange("ternary-arm", view, yes, no)
    elif kind == "attribute":
        yield from _other_attribute(view, node)
    yield from donor_rules(view, node)
    yield from _one_off(view, node)
    yield from _added(view, node)


def item_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Items of a sequence, targets of an assignment, arguments: one too many, two exchanged."""
    if node.type not in _ITEMS:
        return
    items = [one for one in node.named_children if one.type != "comment"]
    rule = "argument" if node.type == "argument_list" else "item"
    for first, one in enumerate(items[:8]):
        for other in items[first + 1 : 8]:
            if other.end_byte - one.start_byte <= MAX_EXCHANGE and "keyword_argument" not in (
                one.type, other.type,
            ):  # fmt: skip
                share = 1.0 if other == items[first + 1] else 0.4
                yield exchange(f"swap-{rule}", view, one, other, share)
    if len(items) == 1 and node.type == "argument_list":
        yield Proposal("drop-argument", (Edit(items[0].start_byte, items[0].end_byte, ""),), 0.5)
    if len(items) > 1 and "pattern" not in node.type:
        for index, one in enumerate(items[:16]):
            start = items[index - 1].end_byte if index else one.start_byte
            end = one.end_byte if index else items[1].start_byte
            yield Proposal(f"drop-{rule}", (Edit(start, end, ""),))


def _flatten(node: Node) -> list[Node]:
    """Operands and operators of a chain of binary operators, in source order."""
    if node.type != "binary_operator":
        return [node]
    left, operator, right = (node.child_by_field_name(k) for k in ("left", "operator", "right"))
    if left is None or operator is None or right is None:
        return [node]
    return [*_flatten(left), operator, *_flatten(right)]


def _chain(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """One operand with its operator is too much."""
    if node.parent is not None and node.parent.type == "binary_operator":
        return
    parts = _flatten(node)
    for at in range(0, len(parts), 2):
        if at:
            yield Proposal("drop-operand", (Edit(parts[at - 2].end_byte, parts[at].end_byte, ""),))
        if at + 1 < len(parts):
            end = parts[at + 2].start_byte
            yield Proposal("drop-operand", (Edit(parts[at].start_byte, end, ""),))
            if at + 3 < len(parts):
                end = parts[at + 4].start_byte
                yield Proposal("drop-operand", (Edit(parts[at].start_byte, end, ""),), 0.3)
    for child in (node.child_by_field_name("left"), node.child_by_field_name("right")):
        if child is not None and child.type == "parenthesized_expression":
            inner = view.text(child)[1:-1]
            yield replace("group", child, inner)
    for first in range(0, min(len(parts), MAX_CHAIN) - 2, 2):  # grouped otherwise
        for last in range(first + 2, min(len(parts), MAX_CHAIN), 2):
            if last - first < len(parts) - 1:
                yield _grouped(parts[first], parts[last], 1.0 if last == first + 2 else 0.7)


def _grouped(first: Node, last: Node, share: float = 1.0) -> Proposal:
    start, end = first.start_byte, last.end_byte
    return Proposal("group", (Edit(start, start, "("), Edit(end, end, ")")), share)


def _swap(view: FunctionView, node: Node) -> Iterator[Proposal]:
    left, right = (node.child_by_field_name(key) for key in ("left", "right"))
    operator = node.child_by_field_name("operator")
    if left is None or right is None or operator is None:
        return
    commutes = operator.type in ("+", "*") and TEXT not in (view.kind(left), view.kind(right))
    commutes = commutes and SEQUENCE not in (view.kind(left), view.kind(right))
    yield exchange("swap", view, left, right, 0.1 if commutes else 1.0)


def _boolean(view: FunctionView, node: Node) -> Iterator[Proposal]:
    left, right = (node.child_by_field_name(key) for key in ("left", "right"))
    if left is None or right is None:
        return
    yield replace("drop-condition", node, view.text(left))
    yield replace("drop-condition", node, view.text(right))
    yield exchange("swap", view, left, right, 0.2)
    inner = left.child_by_field_name("right") if left.type == "boolean_operator" else None
    if inner is not None:  # a and b or c  ->  a and (b or c)
        yield _grouped(inner, right)
    inner = right.child_by_field_name("left") if right.type == "boolean_operator" else None
    if inner is not None:  # a or b and c  ->  (a or b) and c
        yield _grouped(left, inner)
    parent = node.parent
    if parent is None or parent.type != "boolean_operator":
        operators = _operators(node)
        if len(operators) > 1:
            other = {"and": "or", "or": "and"}
            yield Proposal(
                "all-boolean",
                tuple(Edit(o.start_byte, o.end_byte, other[o.type]) for o in operators),
            )


def _operators(node: Node) -> list[Node]:
    if node.type == "parenthesized_expression" and node.named_child_count == 1:
        return _operators(node.named_children[0])
    if node.type != "boolean_operator":
        return []
    left, operator, right = (node.child_by_field_name(k) for k in ("left", "operator", "right"))
    if left is None or operator is None or right is None:
        return []
    return [*_operators(left), operator, *_operators(right)]


# --- another expression in its place, or one more beside it


def donors(
    view: FunctionView, node: Node, count: int = MAX_DONORS
) -> Iterator[tuple[str, str, float, Node]]:
    """Other expressions of the function that may stand at a node: (text, kind, nearness, node)."""
    seen: set[str] = set()
    for one in view.nearest(view.expressions, node, count):
        text = view.text(one)
        if text in seen or len(text) > MAX_DONOR or "\n" in text:
            continue
        seen.add(text)
        if reaches(view, one, node):
            yield text, view.kind(one), view.near(one, node, 4), one


def reaches(view: FunctionView, donor: Node, place: Node) -> bool:
    """Whether all names of an expression may stand at another place."""
    free = view.free_names.get(donor.id)
    if free is None:
        used = {view.text(one) for one in _identifiers(donor)}
        free = view.free_names[donor.id] = frozenset(used - _bound_within(view, donor))
    return free <= view.visible(place)


def _identifiers(node: Node) -> Iterator[Node]:
    for one in walk(node):
        if one.type == "identifier":
            parent = one.parent
            if parent is not None and (
                (parent.type == "attribute" and parent.child_by_field_name("attribute") == one)
                or (parent.type == "keyword_argument" and parent.child_by_field_name("name") == one)
            ):
                continue
            yield one


def _bound_within(view: FunctionView, node: Node) -> set[str]:
    """Names that comprehensions and lambdas inside an expression bind."""
    found: set[str] = set()
    for one in walk(node):
        target = None
        if one.type == "for_in_clause":
            target = one.child_by_field_name("left")
        elif one.type == "lambda":
            target = one.child_by_field_name("parameters")
        if target is not None:
            found |= {view.text(n) for n in _identifiers(target)}
    return found


def donor_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Another expression of the function in place of this one."""
    here, kind = view.text(node), view.kind(node)
    if len(here) > 120:
        return
    is_name = node.type == "identifier"
    for text, other, near, one in donors(view, node):
        if text == here or (here in text and not is_name and one.type == node.type == "call"):
            continue
        share = fits(kind, other) * near
        if one.type in ("integer", "float", "string", "true", "false", "none") and not is_name:
            share *= 0.3
        if one.type == "identifier" and is_name:
            continue  # the closed vocabulary's, and `name_rules`
        share *= 1.0 if one.type == node.type else 0.5
        yield replace("donor", node, text, share * (ECHO if echoes(view, node, text) else 1.0))
    yield from name_rules(view, node)


def _other_attribute(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Another attribute of another object: ``self.default  ->  item.level``."""
    value, attribute = (node.child_by_field_name(key) for key in ("object", "attribute"))
    if value is None or attribute is None or value.type != "identifier":
        return
    here, name = view.text(value), view.text(attribute)
    others = [one for one in view.locals_at(node) if one != here]
    kinds = view.file.attribute_kinds
    known = [one for one in view.file.attributes_set if one != name]
    near = sorted(known, key=lambda one: -likeness(name, one))
    for one in others:
        beside = 1.0 if re.search(rf"(?<![\w.]){one}\.", view.line_text(node)) else 0.3
        for other in near[:MAX_PAIRS]:
            share = beside * fits(kinds.get(name, UNKNOWN), kinds[other])
            yield replace("attribute-pair", node, f"{one}.{other}", share)


def _one_off(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """One more or one less."""
    kind, parent = view.kind(node), node.parent
    if kind not in (NUMBER, UNKNOWN) or parent is None or node.type not in _COUNTED:
        return
    here = view.text(node)
    if len(here) > 80 or "\n" in here or parent.type in ("attribute", "parenthesized_expression"):
        return
    inner = parent.type in ("binary_operator", "unary_operator") and node.type == "binary_operator"
    share = 1.0 if kind == NUMBER else 0.5
    for step in (" + 1", " - 1"):
        yield replace("one-off", node, f"({here}){step}" if inner else here + step, share)


def _operand_donors(view: FunctionView, node: Node, kind: str) -> Iterator[tuple[str, float]]:
    """What may be added to an expression of a kind: variables, small numbers, near expressions."""
    for name in view.locals_at(node):
        yield name, fits(kind, view.names[name])
    if kind in (NUMBER, UNKNOWN):
        for text, share in (("1", 1.5), ("2", 0.4), ("10", 0.05)):
            yield text, share
    for text, other, near, one in donors(view, node, MAX_OPERANDS):
        if one.type in ("identifier", "integer", "lambda") or len(text) > 40:
            continue
        share = 0.5 * fits(kind, other) * near
        if one.type in ("binary_operator", "conditional_expression", "comparison_operator"):
            yield f"({text})", share
        else:
            yield text, share


_OPERATORS = {
    NUMBER: (("+", 1.0), ("-", 1.0), ("*", 0.5), ("%", 0.25), ("//", 0.25), ("**", 0.05),
             ("/", 0.2)),
    UNKNOWN: (("+", 0.7), ("-", 0.5), ("*", 0.3), ("%", 0.15), ("//", 0.15), ("/", 0.1)),
    TEXT: (("+", 1.0),),
    SEQUENCE: (("+", 1.0),),
}  # fmt: skip


def _added(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """An operand is missing."""
    kind = view.kind(node)
    if kind not in _OPERATORS or node.type in ("tuple", "generator_expression"):
        return
    parent = node.parent
    if parent is not None and parent.type in ("attribute", "parenthesized_expression"):
        return
    here = view.text(node)
    if len(here) > 80 or "\n" in here:
        return
    tight = node.type in (
        "conditional_expression", "boolean_operator", "comparison_operator", "binary_operator",
    )  # fmt: skip
    inner = f"({here})" if tight else here
    for text, share in _operand_donors(view, node, kind):
        for operator, weight in _OPERATORS[kind]:
            if operator in ("*", "//", "**", "/") and text == "1":
                continue
            yield replace("add-operand", node, f"{inner} {operator} {text}", share * weight)
            if not tight and (operator in ("-", "//", "/", "%") or kind in (TEXT, SEQUENCE)):
                yield replace(
                    "add-operand", node, f"{text} {operator} {inner}", share * weight * 0.4
                )
