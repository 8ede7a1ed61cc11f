"""A function or loop that should have been left: a new exit under a condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from tree_sitter import Node

from codemtl.search.kinds import MAPPING, NUMBER, SEQUENCE, TEXT
from codemtl.search.rules.conditions import conditions
from codemtl.search.rules.proposal import Proposal
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

EXIT_CONDITIONS, EXIT_VALUES = 50, 8  # the most probable ones of a new exit
AMID_CONDITIONS = 16  # the same where few functions are left
_EMPTY = {NUMBER: "0", TEXT: "''", SEQUENCE: "[]", MAPPING: "{}"}


def returned(view: FunctionView) -> dict[str, float]:
    """Values to return early."""
    values: dict[str, float] = {"False": 0.5, "True": 0.5, "None": 0.5, "0": 0.4, "[]": 0.4,
                                "''": 0.3, "1": 0.3, "-1": 0.3}  # fmt: skip
    stack = [view.body]
    while stack:
        one = stack.pop()
        if one.type == "return_statement" and one.named_children:
            value = one.named_children[0]
            text = view.text(value)
            if len(text) <= 24:
                values[text] = max(1.0, values.get(text, 0.0))
            kind = view.kind(value)
            if kind in _EMPTY:
                values[_EMPTY[kind]] = max(0.9, values.get(_EMPTY[kind], 0.0))
        stack.extend(one.named_children)
    for name in view.names:
        values.setdefault(name, 0.3)
    return values


def exit_rules(
    view: FunctionView, node: Node, leaves: Sequence[str], *, early: bool
) -> Iterator[Proposal]:
    """Exits above a statement; ``leaves`` are those of a loop around it."""
    depth = view.indent(node)
    start = view.line_start(node)
    rules = ("insert-exit", "insert-return") if early else ("insert-amid", "insert-amid")
    asked = EXIT_CONDITIONS if early else AMID_CONDITIONS
    values = sorted(returned(view).items(), key=lambda item: -item[1])[:EXIT_VALUES]
    for condition, share in islice(conditions(view, node), asked):
        for text in leaves:
            lines = f"{depth}if {condition}:\n{depth}{view.unit}{text}\n"
            yield Proposal(rules[0], (Edit(start, start, lines),), share)
        for value, weight in values:
            lines = f"{depth}if {condition}:\n{depth}{view.unit}return {value}\n"
            yield Proposal(rules[1], (Edit(start, start, lines),), share * weight)
        for error in view.failures.missing if early else ():
            if error in view.visible(node):
                lines = f"{depth}if {condition}:\n{depth}{view.unit}raise {error}\n"
                yield Proposal("insert-raise", (Edit(start, start, lines),), share)
