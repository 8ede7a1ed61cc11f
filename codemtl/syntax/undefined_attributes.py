"""Slips in attributes of ``self``, such as ``self.audio_foramt``.

Reported is what a class reads of itself, once in the file, what nobody sets, and what is spelled
nearly like a member of the class. The class must be known whole: its bases stand in the file too
and nothing in it makes attributes by name at run time. Elsewhere a base may have the attribute, and
names that are one keystroke from a member are mostly right (``style``, ``styles``), unless they
stand nowhere else in the whole project.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from tree_sitter import Query

from codemtl.syntax.names import CALLEE, CLASS, FUNCTION, LOAD, Occurrence, Scope
from codemtl.syntax.suggestions import MAX_SUGGESTIONS, spelling_distance
from codemtl.syntax.tree import captures, language
from codemtl.syntax.undefined import UndefinedName, quoted, report_attribute

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

ALIKE = 0.8  # Ratcliff and Obershelp
_RECEIVERS = ("self", "cls")
_AT_RUN_TIME = re.compile(rb"__getattr|setattr|__dict__|__slots__|vars\(|metaclass|[Mm]ixin")


def undefined_attributes(scopes: Scopes) -> list[UndefinedName]:
    """The undefined attributes of ``self`` and ``cls`` in a file, in source order."""
    out = []
    for found, members, whole in _strange(scopes):
        if whole and not quoted(scopes.tree.data, found.name):
            suggestions = alike(found.name, members)
            if suggestions:
                out.append(report_attribute(scopes, found, suggestions))
    return out


def lone_members(scopes: Scopes) -> list[UndefinedName]:
    """Those that stand once in the file and look like a member of the class, in source order.

    Whether a base in another file has them this file cannot tell: they must stand nowhere else in
    the project (``codemtl.inference.project``).
    """
    out = []
    for found, members, _ in _strange(scopes):
        near = get_close_matches(found.name, members, 1, ALIKE)
        if near and scopes.words[found.name] == 1:
            out.append(report_attribute(scopes, found, tuple(near)))
    return out


def _strange(scopes: Scopes) -> Iterator[tuple[Occurrence, set[str], bool]]:
    """What a class reads of itself once in the file, and nothing there sets or gives it.

    Also the members of the class that are known, and whether these are all.
    """
    if scopes.dynamic or scopes.python2:
        return
    uses = Counter(found.name for found in scopes.attribute_uses)
    stored = {found.name for found in scopes.attribute_uses if found.role not in (LOAD, CALLEE)}
    classes = _Classes(scopes, stored)
    for found in scopes.attribute_uses:
        name = found.name
        if found.receiver not in _RECEIVERS or uses[name] > 1 or name in stored:
            continue
        owner = class_of_receiver(scopes, found)
        if (
            owner is None
            or hasattr(object, name)
            or (name.startswith("__") and name.endswith("__"))
        ):
            continue
        members, whole = classes.known(owner)
        if name not in members:
            yield found, members, whole


class _Classes:
    """What is known of the classes of a file."""

    def __init__(self, scopes: Scopes, stored: set[str]) -> None:
        """``stored`` are the names of all attributes that the file sets."""
        self.data, self.stored, self.uses = scopes.tree.data, stored, scopes.attribute_uses
        nodes = captures(_query(), scopes.tree.root).get("class", [])
        self.nodes = {node.start_byte: node for node in nodes}
        self._known: dict[int, tuple[set[str], bool]] = {}
        found = [one for one in scopes.scopes if one.kind == CLASS]
        names = Counter(_name(one) for one in found)
        self.by_name = {_name(one): one for one in found if names[_name(one)] == 1}

    def known(self, owner: Scope) -> tuple[set[str], bool]:
        """The members of a class as far as the file tells, and whether these are all."""
        if owner.index not in self._known:
            bound, whole = self._bound(owner)
            own = {
                one.name for one in self.uses
                if one.receiver in _RECEIVERS and owner.start <= one.start < owner.end
            }  # fmt: skip
            self._known[owner.index] = bound | (own & self.stored), whole
        return self._known[owner.index]

    def _bound(self, owner: Scope, below: tuple[int, ...] = ()) -> tuple[set[str], bool]:
        """What the bodies of a class and its bases bind, and whether that is all."""
        members, bases = set(owner.bound), self._bases(owner)
        whole = bases is not None and not _AT_RUN_TIME.search(self.data, owner.start, owner.end)
        for base in bases or ():
            above = self.by_name.get(base)
            if above is not None and above.index not in (owner.index, *below):
                more, known = self._bound(above, (*below, owner.index))
                members |= more
                whole = whole and known
            elif base != "object":
                whole = False
        return members, whole

    def _bases(self, owner: Scope) -> list[str] | None:
        """The bases of a class as written; None where a decorator may make another class of it."""
        node = self.nodes.get(owner.start)
        if node is None or (node.parent and node.parent.type == "decorated_definition"):
            return None
        named = node.child_by_field_name("superclasses")
        found = [] if named is None else named.named_children
        return [
            self.data[one.start_byte : one.end_byte].decode("utf-8", "replace") for one in found
        ]


def class_of_receiver(scopes: Scopes, found: Occurrence) -> Scope | None:
    """The class of whose method the receiver of an attribute is the first parameter."""
    index = found.scope
    while index >= 0:
        here = scopes.scopes[index]
        above = scopes.scopes[here.parent] if here.parent >= 0 else None
        if above is not None and above.kind == CLASS:
            first = here.parameters[:1] if here.kind == FUNCTION else []
            return above if first == [found.receiver] else None
        if found.receiver in here.bound:
            return None  # another function's own
        index = here.parent
    return None


def alike(name: str, members: set[str]) -> tuple[str, ...]:
    """The members that are spelled like a name, the likest first."""
    found = ((spelling_distance(name, other), other) for other in members)
    ranked = sorted((distance, other) for distance, other in found if distance is not None)
    return tuple(other for _, other in ranked[:MAX_SUGGESTIONS])


@cache
def _query() -> Query:
    return Query(language(), "(class_definition) @class")


def _name(scope: Scope) -> str:
    return scope.qualname.rpartition(".")[2]
