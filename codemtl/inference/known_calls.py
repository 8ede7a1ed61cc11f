"""The calls of a file of which it is known what they call, in the file or in its project."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from tree_sitter import Node, Query

from codemtl.inference.own_definitions import Known, OwnDefinitions
from codemtl.inference.project import Project
from codemtl.syntax.names import STORE
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.signatures import Call, Signature, call_of
from codemtl.syntax.tree import captures, language
from codemtl.syntax.undefined_attributes import class_of_receiver

_UNBOUND = {"classmethod", "staticmethod"}


class KnownCall(NamedTuple):
    """A call of something that is known, and all that it hands over."""

    node: Node
    callee: str
    known: Known
    signature: Signature
    call: Call


def known_calls(scopes: Scopes, project: Project | None) -> list[KnownCall]:
    """Those of a file, in source order."""
    sites = _Sites(scopes, project)
    nodes = captures(_query(), scopes.tree.root).get("call", [])
    return [one for node in nodes if (one := sites.at(node)) is not None]


@cache
def _query() -> Query:
    return Query(language(), "(call) @call")


class _Sites:
    """The calls of a file whose definitions are known."""

    def __init__(self, scopes: Scopes, project: Project | None) -> None:
        self.scopes, self.own = scopes, OwnDefinitions(scopes, project)
        self.uses = {one.start: one for one in scopes.attribute_uses}
        self.stored = {one.name for one in scopes.attribute_uses if one.role == STORE}

    def at(self, node: Node) -> KnownCall | None:
        """A call, if what it calls is known, and all that it hands over."""
        tree, callee = self.scopes.tree, node.child_by_field_name("function")
        if callee is None or node.has_error:
            return None
        known, attribute = None, callee.type == "attribute"
        if callee.type == "identifier":
            known = self.own.top(tree.text(callee)) if self._is_global(callee) else None
        elif attribute:
            known = self._of_attribute(callee)
        signature = known and self.own.signature(known)
        call = call_of(tree, node, attribute=attribute) if signature else None
        if not known or not signature or call is None:
            return None
        return KnownCall(node, tree.text(callee), known, signature, call)

    def _of_attribute(self, node: Node) -> Known | None:
        """What ``module.name``, ``self.name`` or ``super().name`` stands for."""
        tree = self.scopes.tree
        receiver, name = node.child_by_field_name("object"), node.child_by_field_name("attribute")
        if receiver is None or name is None:
            return None
        text, member = tree.text(receiver), tree.text(name)
        if member in self.stored:
            return None
        if receiver.type == "call" and text.startswith("super("):
            return self._of_base(receiver, text, member)
        if receiver.type != "identifier":
            return None
        if self._is_global(receiver):
            return self.own.attribute(text, member)
        use = self.uses.get(name.start_byte)
        owner = class_of_receiver(self.scopes, use) if use is not None else None
        if owner is None or text not in ("self", "cls"):
            return None
        found = self._member(owner.start, member)
        return found if found and (text == "self" or _decorators(found) & _UNBOUND) else None

    def _member(self, start: int, member: str) -> Known | None:
        """A method of the class that begins at a byte of the file."""
        here = self.own.here
        definition = here.classes.get(start)
        found = self.own.member(Known(here, definition), member) if definition else None
        return found if isinstance(found, Known) else None

    def _of_base(self, receiver: Node, text: str, member: str) -> Known | None:
        """What ``super().member`` stands for, in a class with one base, which is known."""
        here, scope = self.own.here, self.scopes.scope_at(receiver)
        owner = self.scopes.class_of(scope.index)
        definition = here.classes.get(owner.start) if owner is not None else None
        first = text.removeprefix("super(").rstrip(")").partition(",")[0].strip()
        if definition is not None and first not in ("", definition.name):
            return None  # what comes after another class
        bases = self.own.bases(Known(here, definition)) if definition is not None else None
        found = self.own.member(bases[0], member) if bases and len(bases) == 1 else None
        if not isinstance(found, Known):
            return None
        above = self.scopes.function_of(scope.index)
        of_class = above is not None and above.parameters[:1] != ["self"]
        return found if not of_class or _decorators(found) & _UNBOUND else None

    def _is_global(self, node: Node) -> bool:
        """Whether a name is one of the module's."""
        found = self.scopes.occurrence(node)
        return found is not None and self.scopes.resolve(found.scope, found.name) == 0


def _decorators(known: Known) -> set[str]:
    tree = known.module.tree
    nodes = known.definition.outer.children
    return {tree.text(one).removeprefix("@").strip() for one in nodes if one.type == "decorator"}
