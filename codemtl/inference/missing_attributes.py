"""Attributes that nothing defines: the class of the object is known whole, and lacks them.

Reported is ``x.name`` where ``x`` is ``self``, or an object that its function just made, where the
class and all that it comes from stand in the project, and where nothing in the whole project
defines such a name: wherever the word stands, it is read from an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache, cached_property

from tree_sitter import Node, Query

from codemtl.inference.own_definitions import Known, OwnDefinitions
from codemtl.inference.project import Project
from codemtl.syntax.names import CALLEE, FUNCTION, LOAD, Occurrence
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import captures, language
from codemtl.syntax.undefined import UndefinedName, report_attribute
from codemtl.syntax.undefined_attributes import ALIKE, alike, class_of_receiver

_FURTHEST = 8  # classes below one that are followed
_SILENCED = re.compile(rb"#.*(?:type:[ \t]*ignore|no-member|reportAttributeAccessIssue)")
_EXPECTED = re.compile(rb"[Rr]aises|suppress|hasattr|getattr|xfail|expectedFailure")
_CAUGHT = re.compile(rb"except[ \t]*(?::|\(?[^:]*\b(?:AttributeError|(?:Base)?Exception)\b)")
_USUAL = re.compile(  # decorators of methods whose first parameter is an object of the class
    r"@[\w.]*?(?:property|classmethod|setter|getter|deleter|abstractmethod|override|final|wraps"
    r"|contextmanager|cache)(?:\(.*\))?",
    re.S,
)
_MIXED_IN = re.compile("[Mm]ixin|Extension|Plugin")  # names of classes that others are mixed with
_BELOW = rb"^[ \t]*class[ \t]+(\w+)[ \t]*\(([^)]*\b%b\b[^)]*)\)"
_BINDS = (  # what stands behind or before an attribute that is set
    rb"[ \t]*(?:=(?!=)|(?:[-+*/%&|^@]|//|\*\*|<<|>>)=|:[^=\n]*=(?!=)|,[^=\n]*[^=!<>\n]=(?!=))"
)
_ROLES = (LOAD, CALLEE)
_OF_ANY = {*dir(object), *dir(type)}


def missing_attributes(scopes: Scopes, project: Project | None) -> list[UndefinedName]:
    """Those of a file, in source order, with a member of the class that is spelled alike."""
    if scopes.dynamic or scopes.python2:
        return []
    return list(_Objects(scopes, project).missing())


class _Objects:
    """The objects of a file whose classes are known whole."""

    def __init__(self, scopes: Scopes, project: Project | None) -> None:
        self.scopes, self.project = scopes, project
        self.own = OwnDefinitions(scopes, project)
        self._whole: dict[tuple[str, int], list[Known] | None] = {}
        self._nowhere: dict[str, bool] = {}

    def missing(self) -> Iterator[UndefinedName]:
        """See `missing_attributes`."""
        bound = {one.name for one in self.scopes.attribute_uses if one.role not in _ROLES}
        for found in self.scopes.attribute_uses:
            name = found.name
            if found.role not in _ROLES or name in bound or name in _OF_ANY or name[:2] == "__":
                continue
            classes = self._classes(found)
            if not classes or not self._is_nowhere(name) or self._is_expected(found):
                continue
            members = {one for known in classes for one in known.members}
            if name not in members and not any(
                self._is_mixed(one.definition.name) for one in classes
            ):
                yield report_attribute(self.scopes, found, self._meant(name, members))

    def _meant(self, name: str, members: set[str]) -> tuple[str, ...]:
        """What changes of the file put in its place elsewhere, or what is spelled alike."""
        renames = self.scopes.tree.history.renames.get(name, {})
        renamed = [one for one in sorted(renames, key=lambda one: -renames[one]) if one in members]
        spelled = alike(name, members) or get_close_matches(name, sorted(members), 1, ALIKE)
        return (*renamed, *spelled)[:1]

    def _classes(self, found: Occurrence) -> list[Known] | None:
        """The class of the object that an attribute is read from, and all that it comes from."""
        known = self._class(found)
        if known is None:
            return None
        key = known.module.place, known.definition.node.start_byte
        if key not in self._whole:
            self._whole[key] = self.own.ancestors(known)
        return self._whole[key]

    def _class(self, found: Occurrence) -> Known | None:
        if found.receiver in ("self", "cls"):
            owner = class_of_receiver(self.scopes, found)
            definition = self.own.here.classes.get(owner.start) if owner is not None else None
            return None if definition is None else Known(self.own.here, definition)
        where = self.scopes.resolve(found.scope, found.receiver)
        made = self._made.get((where, found.receiver)) if where >= 0 else None
        if made is None or self.scopes.resolve(
            where, self.scopes.tree.text(made).partition(".")[0]
        ):
            return None
        return self.own.class_of(made)

    @cached_property
    def _made(self) -> dict[tuple[int, str], Node]:
        """What is called to make the object behind a name, by scope and name, if nothing else is.

        A module's names are anyone's to set.
        """
        found, scopes = dict[tuple[int, str], Node](), self.scopes
        taken = captures(_query(), scopes.tree.root)
        for left, right in zip(taken.get("left", ()), taken.get("right", ()), strict=True):
            here, name = scopes.scope_at(left), scopes.tree.text(left)
            callee = right.child_by_field_name("function")
            if here.kind == FUNCTION and here.bound.get(name) == 1 and callee is not None:
                found[here.index, name] = callee
        return found

    def _is_mixed(self, name: str, steps: int = 0) -> bool:
        """Whether a class comes from the one of that name, and from others besides."""
        if _MIXED_IN.search(name):
            return True
        below = re.compile(_BELOW % re.escape(name.encode()), re.M)
        return steps > _FURTHEST or any(
            b"," in one[2].strip(b", \t\n") or self._is_mixed(one[1].decode(), steps + 1)
            for text in self._texts(name) for one in below.finditer(text)
        )  # fmt: skip

    def _is_nowhere(self, name: str) -> bool:
        """Whether the word is only ever read from objects.

        A project that is not read may define anything.
        """
        if name not in self._nowhere:
            defines = _definition_of(name)
            known = self.project is None or bool(self.project.files)
            self._nowhere[name] = known and not any(map(defines.search, self._texts(name)))
        return self._nowhere[name]

    def _texts(self, name: str) -> Iterator[bytes]:
        yield self.scopes.tree.data
        if self.project is not None:
            yield from (text for _, text in self.project.holding(name))

    def _is_expected(self, found: Occurrence) -> bool:
        """Whether an `AttributeError` is caught or silenced, or ``self`` may be anything."""
        tree = self.scopes.tree
        line = tree.data.rfind(b"\n", 0, found.start) + 1
        end = tree.data.find(b"\n", found.end)
        if _SILENCED.search(tree.data, line, end if end >= 0 else len(tree.data)):
            return True
        above = tree.root.descendant_for_byte_range(found.start, found.end)
        while above is not None:
            if above.type in ("with_statement", "call", "if_statement", "boolean_operator") and (
                _EXPECTED.search(tree.data, above.start_byte, found.start)
            ):
                return True
            if above.type == "decorated_definition" and not all(
                _USUAL.fullmatch(tree.text(one).strip())
                for one in above.children
                if one.type == "decorator"
            ):  # what it is called with then, is not known
                return True
            if above.type == "try_statement" and any(
                _CAUGHT.match(tree.data, one.start_byte, one.end_byte)
                for one in above.named_children
            ):
                return True
            above = above.parent
        return False


@cache
def _definition_of(name: str) -> re.Pattern[bytes]:
    """Wherever a word stands otherwise than behind a dot, or is set there."""
    word = re.escape(name.encode())
    return re.compile(
        rb"(?<![\w.])" + word + rb"(?!\w)"
        rb"|\b" + word + _BINDS +
        rb"|\b(?:as|for|del)[ \t]+[\w.]+\." + word + rb"(?!\w)"
    )  # fmt: skip


@cache
def _query() -> Query:
    return Query(
        language(), "(assignment left: (identifier) @left type: (_)? right: (call) @right)"
    )
