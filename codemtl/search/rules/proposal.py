"""What a template proposes."""

from __future__ import annotations

from typing import NamedTuple

from tree_sitter import Node

from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit


class Proposal(NamedTuple):
    """Edits that together are one candidate, and their weight among the rule's others there."""

    rule: str  # a key of search.priors.RULES
    edits: tuple[Edit, ...]
    share: float = 1.0


def replace(rule: str, node: Node, text: str, share: float = 1.0) -> Proposal:
    """Put ``text`` where a node stands."""
    return Proposal(rule, (Edit(node.start_byte, node.end_byte, text),), share)


def exchange(rule: str, view: FunctionView, one: Node, other: Node, share: float = 1.0) -> Proposal:
    """Put two nodes in each other's place."""
    edits = (
        Edit(one.start_byte, one.end_byte, view.text(other)),
        Edit(other.start_byte, other.end_byte, view.text(one)),
    )
    return Proposal(rule, tuple(sorted(edits)), share)
