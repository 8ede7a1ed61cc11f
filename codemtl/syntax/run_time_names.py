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
    if name == b"locals" or (name == b"vars" and not _arguments(call)):
        return _writes_namespace(call) and not _in_function(call)  # there it is but a copy
    reads = name in (b"globals", b"vars")
    return name in (b"exec", b"execfile") or (reads and _writes_namespace(call))


def _arguments(call: Node) -> int:
    given = call.child_by_field_name("arguments")
    return 0 if given is None else given.named_child_count


def _in_function(node: Node) -> bool:
    """Whether the innermost scope around a node is a function's."""
    inner, outer = node, node.parent
    while outer is not None and outer.type != "class_definition":
        if outer.type == "lambda":
            return True
        if outer.type == "function_definition":
            # defaults and annotations are read outside
            return inner == outer.child_by_field_name("body")
        inner, outer = outer, outer.parent
    return False


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
