"""Calls that define names at run time, so that no binding of them stands in the text."""

from __future__ import annotations

from tree_sitter import Node


def defines_names(call: Node, function: Node, data: bytes) -> bool:
    """Whether a call of ``function`` may add names to the module: exec, ``globals()[...] = ...``.

    enum's ``_convert_`` puts the members of a class there.
    """
    end = function.end_byte
    if function.type == "attribute":
        return data.startswith((b"._convert_", b"._convert("), max(end - 10, 0))
    if function.type != "identifier":
        return False
    name = data[function.start_byte : end]
    reads = name in (b"globals", b"locals", b"vars")
    return name in (b"exec", b"execfile") or (reads and _writes_namespace(call))


def _writes_namespace(call: Node) -> bool:
    """Whether a call of ``globals()`` may be there to define names rather than to read them."""
    parent = call.parent
    if parent is None or parent.type not in ("subscript", "comparison_operator"):
        return True
    above = parent.parent
    return (
        parent.type == "subscript"
        and above is not None
        and (above.type.endswith("assignment") and above.child_by_field_name("left") == parent)
    )
