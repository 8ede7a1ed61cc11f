"""Conditions: a term is missing, a filter is missing or too much."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.kinds import MAPPING, NUMBER, SEQUENCE, TEXT, TRUTH, UNKNOWN, fits
from codemtl.search.nodes import TESTS, inside
from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.rules.terms import reaches
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

_COMPREHENSIONS = (
    "list_comprehension", "set_comprehension", "generator_expression", "dictionary_comprehension",
)  # fmt: skip
_NAME = re.compile(r"\b[A-Za-z_]\w*\b")
_INTEGER = re.compile(r"(?<![\w.])\d+(?![\w.])")
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", " in ": " not in "}
_EQUALITY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}  # the same with or without it
_TYPES = {UNKNOWN: ("str", "list", "dict"), SEQUENCE: ("list", "tuple"), TEXT: ("str",)}
_COMPARE = re.compile(r"(==|!=|<=|>=|<|>| in )")
MAX_CONDITION = 60  # characters
MAX_ATTRIBUTES = 6  # attributes around a place that may be asked for there
MAX_TYPES = 4  # that the file's own checks name
MAX_TESTS = 16  # conditions of the function around a place that may stand there
MAX_CONDITIONS = 120  # at one place
COMPOUND = 0.3  # factor of variations of conditions with several terms
ELSEWHERE = 0.4  # factor of variables that the place itself does not use


def condition_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A condition with one term more; a filter of a comprehension taken away or put in."""
    if node.type in _COMPREHENSIONS:
        yield from _filters(view, node)
    if not is_condition(view, node):
        return
    here = view.text(node)
    if len(here) > 160 or "\n" in here:
        return
    loose = node.type in ("boolean_operator", "conditional_expression", "lambda")
    inner = f"({here})" if loose else here
    for text, share in conditions(view, node):
        if text == here:
            continue
        term = f"({text})" if " or " in text or " and " in text else text
        yield replace("add-condition", node, f"{inner} and {term}", share)
        yield replace("add-condition", node, f"{inner} or {term}", share)
        yield replace("add-condition", node, f"{term} and {inner}", share * 0.3)
        yield replace("add-condition", node, f"{term} or {inner}", share * 0.1)
        yield replace("condition", node, text, share)
    if node.parent is None or node.parent.type != "not_operator":
        yield from _presence(view, node, inner)


def _presence(view: FunctionView, node: Node, inner: str) -> Iterator[Proposal]:
    """What a condition looks into may be missing: ``a.b == c  ->  a is not None and a.b == c``."""
    seen: set[str] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if one.type in ("attribute", "subscript"):
            value = one.child_by_field_name("object" if one.type == "attribute" else "value")
            text = view.text(value) if value is not None else ""
            if value is not None and value.type in ("identifier", "attribute") and text not in seen:
                seen.add(text)
                if text != view.owner and reaches(view, value, node):
                    yield replace("presence", node, f"{text} and {inner}", 0.7)
                    yield replace("presence", node, f"{text} is not None and {inner}", 1.0)
                    yield replace("presence", node, f"not {text} or {inner}", 0.3)
        for value in one.named_children if one.type == "comparison_operator" else ():
            text = view.text(value)
            if value.type in ("identifier", "attribute") and text not in seen:
                seen.add(text)
                if reaches(view, value, node):
                    share = 1.0 if text in view.optional else 0.3
                    yield replace("presence", node, f"{text} is not None and {inner}", share)
        stack.extend(one.named_children)


def is_condition(view: FunctionView, node: Node) -> bool:
    """Whether a node decides something: in if, while, ternary, filter, assert or a truth value."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type in ("if_statement", "elif_clause", "while_statement"):
        return parent.child_by_field_name("condition") == node
    if parent.type in ("if_clause", "assert_statement", "not_operator", "boolean_operator"):
        return True
    if parent.type == "conditional_expression" and parent.named_child_count == 3:
        return parent.named_children[1] == node
    if node.type in TESTS:
        return True
    return parent.type == "return_statement" and view.kind(node) == TRUTH


def conditions(view: FunctionView, place: Node) -> Iterator[tuple[str, float]]:
    """Conditions that may stand at a place: those of the function, varied, and simple new ones."""
    found: dict[str, float] = {}
    for one in view.nearest(view.tests, place, MAX_TESTS):
        text = view.text(one)
        if len(text) <= MAX_CONDITION and "\n" not in text and reaches(view, one, place):
            near = view.near(one, place, 4)
            found[text] = max(found.get(text, 0.0), near)
            whole = COMPOUND if " and " in text or " or " in text else 1.0
            for other, share in _varied(view, text, place):
                found.setdefault(other, share * near * whole)
    for text, share in (
        *_simple(view, place), *_of_attributes(view, place), *_of_functions(view, place)
    ):  # fmt: skip
        found.setdefault(text, share)
    yield from sorted(found.items(), key=lambda item: -item[1])[:MAX_CONDITIONS]


def _varied(view: FunctionView, text: str, place: Node) -> Iterator[tuple[str, float]]:
    """A condition with its operator turned, two names exchanged, or one name or number changed."""
    for match in _COMPARE.finditer(text):
        opposite = _OPPOSITE[match[1]]
        yield text[: match.start()] + opposite + text[match.end() :], 0.5
        if match[1] in _EQUALITY:
            yield text[: match.start()] + _EQUALITY[match[1]] + text[match.end() :], 0.2
    local = view.locals_at(place)
    used = [name for name in dict.fromkeys(_NAME.findall(text)) if name in view.names]
    for index, one in enumerate(used):
        for other in used[index + 1 :]:
            swapped = _NAME.sub(
                lambda m, a=one, b=other: {a: b, b: a}.get(m[0], m[0]),  # type: ignore[misc]
                text,
            )
            yield swapped, 0.6
        for other in local:
            if other not in used and fits(view.names[one], view.names[other]) >= 0.5:
                yield re.sub(rf"\b{one}\b", other, text), 0.3
    for match in _INTEGER.finditer(text):
        value = int(match[0][:6])
        options = [str(value + 1), str(max(0, value - 1)), "0", "1", "2", *view.numerals]
        for option in dict.fromkeys(options):
            if option != match[0]:
                yield text[: match.start()] + option + text[match.end() :], 0.25


def _simple(view: FunctionView, place: Node) -> Iterator[tuple[str, float]]:
    """Conditions on single variables and on pairs of them."""
    local = view.locals_at(place)
    used = frozenset(_NAME.findall(view.text(place))) | _walked(view, place)
    for name in local:
        kind = view.names[name]
        for text, share in _of_one(view, name, kind):
            yield text, share * (1.0 if name in used else ELSEWHERE)
        for other in local:
            if other != name:
                near = 1.0 if used & {name, other} else ELSEWHERE
                for text, share in _of_two(view, name, other):
                    yield text, share * near


def _walked(view: FunctionView, place: Node) -> frozenset[str]:
    """The variables of the innermost loop around a place."""
    loop = inside(place, "for_statement", *_COMPREHENSIONS)
    heads = [] if loop is None else [loop, *loop.named_children]
    targets = [one.child_by_field_name("left") for one in heads if one.type.startswith("for_")]
    return frozenset(
        name for one in targets if one is not None for name in _NAME.findall(view.text(one))
    )


def _of_attributes(view: FunctionView, place: Node) -> Iterator[tuple[str, float]]:
    """Conditions on attributes that stand near a place: whether they are there, and true."""
    attributes = [one for one in view.expressions if one.type == "attribute"]
    near = view.nearest(attributes, place, 4 * MAX_ATTRIBUTES)
    texts = dict.fromkeys(
        view.text(one)
        for one in sorted(near, key=lambda one: abs(view.line(one) - view.line(place)))
        if reaches(view, one, place)
    )
    for text in list(texts)[:MAX_ATTRIBUTES]:
        if len(text) <= MAX_CONDITION // 2 and "\n" not in text:
            share = 0.4 if text in view.text(place) else 0.2
            yield text, share
            yield f"not {text}", share
            yield f"{text} is None", 0.75 * share
            yield f"{text} is not None", share


def _of_functions(view: FunctionView, place: Node) -> Iterator[tuple[str, float]]:
    """What the file's own functions and methods say of variables, where they answer yes or no."""
    used = frozenset(_NAME.findall(view.text(place)))
    local = [name for name in view.locals_at(place) if name != view.owner]
    for function, parameters in (*view.file.predicates, *view.methods):
        for name in local if parameters == 1 else ():
            share = 0.4 if name in used else 0.1
            yield f"{function}({name})", share
            yield f"not {function}({name})", share
        for name in local if parameters == 2 else ():
            for other in local:
                if other != name and used & {name, other}:
                    yield f"{function}({name}, {other})", 0.2
                    yield f"not {function}({name}, {other})", 0.2


def _of_one(view: FunctionView, name: str, kind: str) -> Iterator[tuple[str, float]]:
    yield f"not {name}", 0.4
    yield name, 0.2
    if kind in (UNKNOWN, TEXT, SEQUENCE, MAPPING):
        yield f"{name} is not None", 0.2
        for rank, asked in enumerate((*view.file.types[:MAX_TYPES], *_TYPES.get(kind, ()))):
            yield f"isinstance({name}, {asked})", 0.2 / (2 + rank)
            yield f"not isinstance({name}, {asked})", 0.15 / (2 + rank)
    if kind != SEQUENCE:
        for operator, number, share in (
            ("==", "0", 0.3), ("!=", "0", 0.2), (">", "0", 0.3), ("<", "0", 0.3),
            ("==", "1", 0.3), (">", "1", 0.2), ("<", "1", 0.1), ("<", "2", 0.2),
            ("<=", "1", 0.1), (">=", "0", 0.1), ("<=", "0", 0.1), ("==", "2", 0.1),
        ):  # fmt: skip
            yield f"{name} {operator} {number}", share * fits(NUMBER, kind)
        yield f"{name} % 2 == 0", 0.15 * fits(NUMBER, kind)
        yield f"{name} % 2 == 1", 0.1 * fits(NUMBER, kind)
    if kind != NUMBER:
        for form, share in (("len({}) == 0", 0.3), ("len({}) > 1", 0.2), ("len({}) == 1", 0.2),
                            ("len({}) < 2", 0.2), ("len({}) == 2", 0.1),
                            ("{} == ''", 0.2 * (kind != SEQUENCE)),
                            ("{} is None", 0.2), ("{} == []", 0.1 * (kind != TEXT)),
                            ("{}[-1] == ' '", 0.02), ("{}.isdigit()", 0.1),
                            ("{}.isalpha()", 0.1)):  # fmt: skip
            if share:
                yield form.format(name), share


def _of_two(view: FunctionView, name: str, other: str) -> Iterator[tuple[str, float]]:
    alike = fits(view.names[name], view.names[other])
    share = 0.3 * alike
    if alike >= 0.5:
        if name < other:
            yield f"{name} == {other}", share
            yield f"{name} != {other}", share
        yield f"{name} < {other}", share * 0.6
        yield f"{name} <= {other}", share * 0.3
    if name < other and NUMBER not in (view.names[name], view.names[other]):
        together = re.search(rf"\bzip\(({name}, {other}|{other}, {name})\)", view.body_text)
        yield f"len({name}) != len({other})", 1.0 if together else 0.3 * share
    if view.names[other] != NUMBER:
        yield f"{name} in {other}", 0.15
        yield f"{name} not in {other}", 0.25


def _filters(view: FunctionView, node: Node) -> Iterator[Proposal]:
    clauses = [one for one in node.named_children if one.type == "if_clause"]
    for clause in clauses:
        start = clause.start_byte
        while view.tree.data[start - 1 : start] == b" ":
            start -= 1
        yield Proposal("drop-filter", (Edit(start, clause.end_byte, ""),))
    loops = [one for one in node.named_children if one.type == "for_in_clause"]
    if not loops or clauses:
        return
    at = loops[-1].end_byte
    body = node.named_children[0]
    for text, share in conditions(view, body):
        yield Proposal("add-filter", (Edit(at, at, f" if {text}"),), share)
