"""Local names that have no value yet where they would stand."""

from __future__ import annotations

from codemtl.syntax.names import AUGMENTED_STORE, FUNCTION, PATTERN, STORE
from codemtl.syntax.scopes import Scopes

_ASSIGNMENTS = ("assignment", "augmented_assignment")
_LOOPS = ("for_statement", "while_statement")


def assigned_later(scopes: Scopes, start: int, name: str) -> bool:
    """Whether at a byte offset in a function its local ``name`` cannot have a value yet.

    That is where all that binds it stands below, outside of the loops around the place, or is the
    target of the assignment whose value the place is part of.
    """
    here = scopes.scope_at(start)
    if here.kind != FUNCTION or scopes.resolve(here.index, name) != here.index:
        return False
    bindings = [
        one.start
        for one in scopes.names_within(here.start, here.end)
        if one.name == name
        and one.scope == here.index
        and one.role in (STORE, AUGMENTED_STORE, PATTERN)
    ]
    if len(bindings) < here.bound[name]:  # a parameter or an import
        return False
    before = [one for one in bindings if one < start]
    node = scopes.tree.root.descendant_for_byte_range(start, start + 1)
    while node is not None and node.start_byte > here.start:
        low, high = node.start_byte, node.end_byte
        if node.type in _LOOPS and any(low <= one < high for one in bindings):
            return False
        if node.type in _ASSIGNMENTS:
            before = [one for one in before if not low <= one < high]
        node = node.parent
    return not before
