"""Attributes of objects: one that is missing, and calls of them that are, or are too much.

behind    self.top == other      ->  self.top == other.top
before    {"name": name}         ->  {"name": user.name}
no call   return self.size()     ->  return self.size
a call    far = here.distance    ->  far = here.distance(there)
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.view import FunctionView

_BESIDE = ("comparison_operator", "binary_operator", "assignment")


def member_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Edits of attributes, and of names that may be meant as some."""
    here, parent = view.text(node), node.parent
    if node.type == "identifier" and parent is not None:
        for other in parent.named_children if parent.type in _BESIDE else ():
            name = other.child_by_field_name("attribute") if other.type == "attribute" else None
            if name is not None:
                yield replace("mirrored", node, f"{here}.{view.text(name)}")
        for one in view.locals_at(node) if here in view.file.attribute_names else ():
            if one not in (here, view.owner):
                known = any(here == name for name, _ in view.file.attributes_of(one))
                yield replace("of-object", node, f"{one}.{here}", 1.0 if known else 0.3)
    elif node.type == "call":
        function, arguments = (node.child_by_field_name(key) for key in ("function", "arguments"))
        if function is not None and arguments is not None and not arguments.named_children:
            yield replace("uncalled", node, view.text(function))
    elif node.type == "attribute":
        name = node.child_by_field_name("attribute")
        if name is not None and f".{view.text(name)}(" in view.file.source:
            for one in view.locals_at(node):
                if one != view.owner:
                    yield replace("called-with", node, f"{here}({one})")
