"""Variables in place of expressions, and which other name is probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tree_sitter import Node

from codemtl.inference.evidence import alike
from codemtl.search.kinds import NUMBER, UNKNOWN, fits
from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.view import FunctionView

ECHO = 0.05  # factor of what would make a value stand twice where once is enough
LIKENESS = 6.0  # names that are spelled alike are mistaken so many times as often, less 1
UNLIKE = 0.4  # ratio of Ratcliff and Obershelp up to which names are not alike
_ONE_SIDED = frozenset({"-", "/", "//", "%"})  # operators with two equal operands say nothing
_TWICE = frozenset({"comparison_operator", "boolean_operator", "argument_list", "assignment"})
_CALLS_FOR = (("len", 1.0), ("str", 1.0), ("abs", 0.5), ("int", 0.5), ("set", 0.5),
              ("sorted", 0.5), ("bin", 0.3), ("sum", 0.5), ("max", 0.5), ("min", 0.5),
              ("list", 0.3))  # fmt: skip


def name_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A variable in place of an expression; its negative too."""
    here, kind = view.text(node), view.kind(node)
    rule = "name" if node.type == "identifier" else "name-for"
    for name in view.locals_at(node):
        if name != here:
            share = fits(kind, view.names[name])
            if echoes(view, node, name):
                share *= ECHO
            if rule == "name":
                share *= 1 + LIKENESS * likeness(here, name)
            yield replace(rule, node, name, share)
            if kind in (NUMBER, UNKNOWN) and node.type != "identifier":
                yield replace("negative", node, f"-{name}", share)
            for function, weight in _CALLS_FOR:
                yield replace("call-for", node, f"{function}({name})", weight)


def echoes(view: FunctionView, node: Node, text: str) -> bool:
    """Whether a text would stand twice there: ``x in x``, ``f(x, x)``, ``x = x``."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "binary_operator":
        operator = parent.child_by_field_name("operator")
        if operator is None or operator.type not in _ONE_SIDED:
            return False
    elif parent.type not in _TWICE:
        return False
    return any(one != node and view.text(one) == text for one in parent.named_children)


@lru_cache(maxsize=1 << 16)
def likeness(one: str, two: str) -> float:
    """How alike two names are spelled, from 0 to 1; 0 is all that is no more than `UNLIKE`."""
    return max(0.0, alike(one, two) - UNLIKE) / (1 - UNLIKE)
