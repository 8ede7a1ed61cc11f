"""Edits that say the same twice: ``a == a``, ``a = a``, ``(a, a)``."""

from __future__ import annotations

from codemtl.syntax.tree import SourceTree

_TELLING = frozenset({
    "assignment", "comparison_operator", "boolean_operator", "binary_operator", "tuple", "list",
    "set", "expression_list", "pattern_list",
})  # fmt: skip


def repeats(tree: SourceTree, start: int, end: int, replacement: str) -> bool:
    """Whether a name in place of these bytes makes an operand or element like one beside it."""
    node = tree.root.descendant_for_byte_range(start, end)
    while node is not None and not node.type.endswith("statement") and node.type != "block":
        above = node.parent
        if above is not None and above.type in _TELLING:
            head, tail = tree.data[node.start_byte : start], tree.data[end : node.end_byte]
            now = b"".join((head, replacement.encode(), tail))
            others = (one for one in above.named_children if one != node)
            if any(tree.data[one.start_byte : one.end_byte] == now for one in others):
                return True
        node = above
    return False
