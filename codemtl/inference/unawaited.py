"""Coroutines that nobody awaits: calls of ``async`` functions as if they were others."""

from __future__ import annotations

import re

from tree_sitter import Node

from codemtl.inference.known_calls import KnownCall
from codemtl.syntax.edits import Edit
from codemtl.syntax.names import READS
from codemtl.syntax.scopes import Scopes

_USES = ("comparison_operator", "binary_operator", "not_operator", "attribute", "subscript")
_FIELDS = {"attribute": "object", "subscript": "value", "binary_operator": "left"}
_IDENTITY = ("is", "is not", "in", "not in")
_OWN = re.compile(r"close|send|throw|cr_\w+|__\w+__|add_\w+")  # what coroutines and tasks have
_FUNCTIONS = ("function_definition", "lambda", "class_definition", "generator_expression")


def awaited(one: KnownCall, scopes: Scopes) -> Edit | None:
    """The edit after which a call is awaited; None where nothing says that it must be.

    It must where the value is thrown away or used as one that no coroutine is, in an ``async``
    function.
    """
    node, above = one.node, one.node.parent
    if above is None or not is_coroutine(one.known.definition.node) or not _is_inside(node):
        return None
    thrown_away = above.type == "expression_statement"
    if not (thrown_away or _is_used(node) or _is_used_later(above, node, scopes)):
        return None
    if above.type in ("attribute", "subscript"):
        text = (node.text or b"").decode("utf-8", "replace")
        return Edit(node.start_byte, node.end_byte, f"(await {text})")
    return Edit(node.start_byte, node.start_byte, "await ")


def _is_used(node: Node) -> bool:
    """Whether something is done with a value that nobody does with a coroutine."""
    above = node.parent
    if above is None or above.type not in _USES:
        return False
    attribute = above.child_by_field_name("attribute")
    if attribute is not None and _OWN.fullmatch((attribute.text or b"").decode()):
        return False
    if above.type == "comparison_operator":
        return not any(one.type in _IDENTITY for one in above.children)
    field = _FIELDS.get(above.type)
    return field is None or above.child_by_field_name(field) == node


def _is_used_later(assignment: Node, node: Node, scopes: Scopes) -> bool:
    """Whether it is assigned to a variable that is read, and only so."""
    target = assignment.child_by_field_name("left")
    if assignment.type != "assignment" or target is None or target.type != "identifier":
        return False
    if assignment.child_by_field_name("right") != node:
        return False
    found = scopes.occurrence(target)
    if found is None or scopes.scopes[found.scope].bound.get(found.name) != 1:
        return False
    owner = scopes.scopes[found.scope]
    uses = [
        scopes.tree.root.descendant_for_byte_range(one.start, one.end)
        for one in scopes.names_within(owner.start, owner.end)
        if one.name == found.name and one.role in READS
        and scopes.resolve(one.scope, one.name) == found.scope
    ]  # fmt: skip
    return bool(uses) and all(use is not None and _is_used(use) for use in uses)


def _is_inside(node: Node) -> bool:
    """Whether a call stands in an ``async`` function, and in no other inside of that."""
    around = node.parent
    while around is not None and around.type not in _FUNCTIONS:
        around = around.parent
    body = None if around is None else around.child_by_field_name("body")
    if around is None or body is None or node.start_byte < body.start_byte:
        return False
    return _is_async(around)


def is_coroutine(definition: Node) -> bool:
    """Whether a function is ``async`` and no generator."""
    return _is_async(definition) and not any(_yields(one) for one in definition.named_children)


def _is_async(definition: Node) -> bool:
    return bool(definition.children) and definition.children[0].type == "async"


def _yields(node: Node) -> bool:
    """Whether the function around a node is a generator."""
    if node.type in _FUNCTIONS:
        return False
    return node.type == "yield" or any(_yields(one) for one in node.named_children)
