"""Coroutines that nobody awaits: calls of ``async`` functions as if they were others."""

from __future__ import annotations

from tree_sitter import Node

from codemtl.inference.known_calls import KnownCall
from codemtl.syntax.edits import Edit

_USES = ("expression_statement", "comparison_operator", "binary_operator", "not_operator")
_FUNCTIONS = ("function_definition", "lambda", "class_definition")


def awaited(one: KnownCall) -> Edit | None:
    """The edit after which a call is awaited; None where nothing says that it must be.

    It must where the value is thrown away or calculated with, in an ``async`` function.
    """
    node, above = one.node, one.node.parent
    if above is None or above.type not in _USES or not _is_coroutine(one.known.definition.node):
        return None
    around = node.parent
    while around is not None and around.type not in _FUNCTIONS:
        around = around.parent
    if around is None or not _is_async(around):
        return None
    return Edit(node.start_byte, node.start_byte, "await ")


def _is_coroutine(definition: Node) -> bool:
    return _is_async(definition) and not any(_yields(one) for one in definition.named_children)


def _is_async(definition: Node) -> bool:
    return bool(definition.children) and definition.children[0].type == "async"


def _yields(node: Node) -> bool:
    """Whether the function around a node is a generator."""
    if node.type in _FUNCTIONS:
        return False
    return node.type == "yield" or any(_yields(one) for one in node.named_children)
