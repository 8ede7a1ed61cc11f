"""What each name in a file means: where it is bound, what is visible where, what is undefined.

``analyze`` runs once a file; every question after that is a look-up. Candidate names for repairs,
the undefined-name report and the plausibility of synthetic bugs all come from here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from functools import cached_property

from tree_sitter import Node

from codemtl.syntax.binding import Walker
from codemtl.syntax.builtin_names import BUILTINS
from codemtl.syntax.names import (
    ANNOTATION,
    CALLEE,
    CLASS,
    COMPREHENSION,
    FUNCTION,
    IMPORT,
    READS,
    TYPE_PARAMETERS,
    WORD,
    Occurrence,
    Scope,
)
from codemtl.syntax.tree import SourceTree
from codemtl.syntax.undefined import UndefinedName, undefined_names
from codemtl.syntax.undefined_attributes import undefined_attributes


class Scopes:
    """The scopes and names of one file. Build it with ``analyze``."""

    def __init__(self, tree: SourceTree) -> None:
        walker = Walker(tree)
        self.tree = tree
        self.scopes: list[Scope] = walker.scopes
        self.names: list[Occurrence] = walker.names  # in source order
        self.attribute_uses: list[Occurrence] = walker.attributes  # in source order
        self.star = walker.star
        self.dynamic = walker.dynamic
        self.python2 = walker.python2
        self._starts = [found.start for found in self.names]
        self._bindings: dict[tuple[int, str], int] = {}
        self._visible: dict[int, tuple[str, ...]] = {}

    def resolve(self, scope: int, name: str) -> int:
        """Index of the scope that binds ``name`` as seen from ``scope``; -1 builtin, -2 none."""
        key = (scope, name)
        found = self._bindings.get(key)
        if found is None:
            found = self._bindings[key] = self._resolve(scope, name)
        return found

    def _resolve(self, scope: int, name: str) -> int:
        own = True  # still where the name stands: there a class body's names are visible
        index = scope
        while index >= 0:
            here = self.scopes[index]
            if name in here.globals:
                return 0
            if name in here.bound and (own or here.kind != CLASS):
                return index
            if here.kind != TYPE_PARAMETERS:
                own = False
            index = here.parent
        return -1 if name in BUILTINS else -2

    def occurrence(self, position: int | Node) -> Occurrence | None:
        """The name that starts at a byte offset or node, if one does."""
        offset = position if isinstance(position, int) else position.start_byte
        index = bisect_left(self._starts, offset)
        if index < len(self.names) and self.names[index].start == offset:
            return self.names[index]
        return None

    def names_within(self, start: int, end: int) -> list[Occurrence]:
        """The occurrences of names between two byte offsets, in source order."""
        return self.names[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def scope_at(self, position: int | Node) -> Scope:
        """The innermost scope at a byte offset or node; exact where a name stands."""
        found = self.occurrence(position)
        if found is not None:
            return self.scopes[found.scope]
        offset = position if isinstance(position, int) else position.start_byte
        by_start = self._scopes_by_start
        index = bisect_right(by_start, (offset, len(self.scopes))) - 1
        inner = self.scopes[by_start[max(index, 0)][1]]
        while inner.end <= offset and inner.parent >= 0:
            inner = self.scopes[inner.parent]
        return inner

    @cached_property
    def _scopes_by_start(self) -> list[tuple[int, int]]:
        return sorted((scope.start, scope.index) for scope in self.scopes)

    def visible_in(self, scope: int) -> tuple[str, ...]:
        """Names visible in a scope: local ones first, then outwards, then builtins that the file
        uses.
        """
        found = self._visible.get(scope)
        if found is None:
            names: dict[str, None] = {}
            for index in self.chain(scope):
                names.update(dict.fromkeys(self.scopes[index].bound))
            names.update(dict.fromkeys(self.used_builtins))
            found = self._visible[scope] = tuple(names)
        return found

    def declared_later(self, scope: int, position: int) -> frozenset[str]:
        """Names that a scope declares global or nonlocal behind a byte offset: not usable there."""
        declared = self.scopes[scope].declared
        return frozenset(name for name, where in declared.items() if where > position)

    def chain(self, scope: int) -> list[int]:
        """The scopes whose names are visible in ``scope``, innermost first, the module last."""
        out = [scope]
        index = self.scopes[scope].parent
        while index >= 0:
            here = self.scopes[index]
            if here.kind != CLASS or self.scopes[out[-1]].kind == TYPE_PARAMETERS:
                out.append(index)
            index = here.parent
        return out

    def first_bound(self, scope: int, name: str) -> int:
        """Byte offset of the first binding of ``name`` in a scope's text; -1 if there is none."""
        return self._first_bound.get((scope, name), -1)

    @cached_property
    def _first_bound(self) -> dict[tuple[int, str], int]:
        out: dict[tuple[int, str], int] = {}
        for found in self.names:
            if found.role > ANNOTATION:
                out.setdefault((found.scope, found.name), found.start)
        return out

    def category(self, scope: int, name: str) -> str:
        """What a name stands for, seen from a scope: ``"local"`` (any enclosing function's
        variable), ``"module"`` (variable), ``"definition"``, ``"import"``, ``"builtin"`` or ``""``.
        """
        index = self.resolve(scope, name)
        if index < 0:
            return "builtin" if index == -1 else ""
        if name in self.scopes[index].defines:
            return "definition"
        if (index, name) in self._imported:
            return "import"
        return "local" if self.scopes[index].kind in (FUNCTION, COMPREHENSION) else "module"

    @cached_property
    def _imported(self) -> frozenset[tuple[int, str]]:
        return frozenset((found.scope, found.name) for found in self.names if found.role == IMPORT)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Names that an import binds anywhere in the file."""
        return frozenset(name for _, name in self._imported)

    @cached_property
    def attribute_counts(self) -> Counter[tuple[str, str]]:
        """How often the file uses each attribute of each plain or dotted name."""
        return Counter((found.receiver, found.name) for found in self.attribute_uses)

    @cached_property
    def receivers(self) -> dict[int, str]:
        """The text of the object of each attribute, by the byte at which the attribute begins."""
        return {found.start: found.receiver for found in self.attribute_uses}

    @cached_property
    def _reads(self) -> Counter[tuple[int, str]]:
        """How often each name of each scope is read, from inner scopes too."""
        return Counter(
            (self.resolve(one.scope, one.name), one.name) for one in self.names if one.role in READS
        )

    def read_only_at(self, start: int) -> bool:
        """Whether a local variable or parameter stands at a byte offset, and is read there only."""
        found = self.occurrence(start)
        if found is None or found.role not in READS:
            return False
        owner = self.resolve(found.scope, found.name)
        local = owner >= 0 and self.scopes[owner].kind in (FUNCTION, COMPREHENSION)
        return local and self._reads[owner, found.name] == 1

    @cached_property
    def words(self) -> Counter[str]:
        """How often each word stands in the file, in comments and strings too."""
        return Counter(word.decode("utf-8", "replace") for word in WORD.findall(self.tree.data))

    @cached_property
    def used_builtins(self) -> tuple[str, ...]:
        """Builtins that the file uses, the most frequent first."""
        counts = Counter(
            found.name
            for found in self.names
            if found.role <= ANNOTATION and self.resolve(found.scope, found.name) == -1
        )
        return tuple(name for name, _ in counts.most_common())

    @cached_property
    def callables(self) -> frozenset[str]:
        """Names known to be callable: functions, classes, called names and imports."""
        out = {found.name for found in self.names if found.role in (CALLEE, IMPORT)}
        for scope in self.scopes:
            out |= scope.defines
        return frozenset(out)

    @cached_property
    def undefined_names(self) -> list[UndefinedName]:
        """Names that nothing in the file can define, in source order."""
        return undefined_names(self)

    @cached_property
    def undefined_attributes(self) -> list[UndefinedName]:
        """Attributes of ``self`` that nothing defines, in source order."""
        return undefined_attributes(self)

    def function_of(self, scope: int) -> Scope | None:
        """The innermost named function around a scope, or None in module and class bodies."""
        index = scope
        while index >= 0:
            here = self.scopes[index]
            if here.kind == CLASS:
                return None
            if here.kind == FUNCTION and not here.qualname.endswith("<lambda>"):
                return here
            index = here.parent
        return None

    def class_of(self, scope: int) -> Scope | None:
        """The class whose body or method holds a scope."""
        index = scope
        while index >= 0:
            if self.scopes[index].kind == CLASS:
                return self.scopes[index]
            index = self.scopes[index].parent
        return None


def analyze(tree: SourceTree) -> Scopes:
    """Analyse the names of a file; keep the result, one call a file is enough."""
    return Scopes(tree)
