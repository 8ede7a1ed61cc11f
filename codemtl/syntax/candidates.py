"""Which names could stand at a place: the candidate groups that name and attribute sites share.

Nearest names come first: those of the function, what the function uses from outside, then the
enclosing functions, the module and its builtins. A group is capped, so the order matters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from codemtl.syntax.builtin_names import BUILTINS, COMMON_CALLABLES
from codemtl.syntax.names import CALLEE, CLASS, IMPORT, LOAD, STORE, Occurrence
from codemtl.syntax.scopes import Scopes

GROUP_LIMIT = 64
_SELF = ("self", "cls")


class Candidates:
    """The candidate names of a file, by scope, receiver and use. Build it once a file."""

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        called: Counter[str] = Counter()
        read: Counter[str] = Counter()
        for found in scopes.names:
            if found.role == CALLEE:
                called[found.name] += 1
            elif found.role == LOAD:
                read[found.name] += 1
        module = scopes.scopes[0].bound
        builtins = scopes.used_builtins
        self._name_uses = {True: called, False: read}
        self._callables = scopes.callables | set(COMMON_CALLABLES)
        self._lasting_callables = {found.name for found in scopes.names if found.role == IMPORT}
        for scope in scopes.scopes:
            self._lasting_callables |= scope.defines
        # sort() is stable: names that are used equally often stay in the order of the file
        self._called = sorted(module, key=lambda name: -called[name])
        self._called += [*builtins, *COMMON_CALLABLES]
        self._read = sorted(module, key=lambda name: -read[name])
        self._read += [name for name in builtins if read[name]]
        self._unread = {name for name in BUILTINS if not read[name]}
        self._attributes(scopes)

    def _attributes(self, scopes: Scopes) -> None:
        called: Counter[str] = Counter()
        read: Counter[str] = Counter()
        by_receiver: dict[tuple[int, str, bool], dict[str, None]] = defaultdict(dict)
        for found in scopes.attribute_uses:
            is_call = found.role == CALLEE
            (called if is_call else read)[found.name] += 1
            if found.receiver and found.role in (LOAD, CALLEE, STORE):
                by_receiver[self._receiver(found, is_call)][found.name] = None
        for scope in scopes.scopes:
            if scope.kind == CLASS:
                for name in scope.bound:
                    is_call = name in scope.defines
                    for receiver in _SELF:
                        by_receiver[scope.index, receiver, is_call][name] = None
                    (called if is_call else read)[name] += 1
        self._by_receiver = by_receiver
        self._attribute_uses = {True: called, False: read}
        self._all_attributes = {
            True: [name for name, _ in called.most_common(2 * GROUP_LIMIT)],
            False: [name for name, _ in read.most_common(2 * GROUP_LIMIT)],
        }

    def alone(self, found: Occurrence, is_attribute: bool) -> bool:
        """Whether the name would not be a candidate if this occurrence of it were not there."""
        is_call, name = found.role == CALLEE, found.name
        if is_attribute:
            return self._attribute_uses[is_call][name] < 2
        if is_call and name in COMMON_CALLABLES:
            return False
        binding = self.scopes.resolve(found.scope, name)
        if binding >= 0 and (not is_call or name in self._lasting_callables):
            return False
        return binding == -2 or self._name_uses[is_call][name] < 2

    def _receiver(self, found: Occurrence, is_call: bool) -> tuple[int, str, bool]:
        index = -1
        if found.receiver in _SELF:
            owner = self.scopes.class_of(found.scope)
            index = owner.index if owner is not None else -1
        return index, found.receiver, is_call


class FunctionCandidates:
    """The groups of one function; ``groups`` grows as sites ask for theirs."""

    def __init__(self, file: Candidates, start: int, end: int, used: list[Occurrence]) -> None:
        self.groups: list[tuple[str, ...]] = []
        self._file = file
        self._scopes = file.scopes
        self._span = (start, end)
        self._used = list(dict.fromkeys(found.name for found in used))
        self._indices: dict[object, int] = {}
        self._members: list[frozenset[str]] = []
        self._used_attributes: list[str] = []

    def name_group(self, found: Occurrence) -> int:
        """Index of the group for a name that is read or called."""
        later = self._scopes.declared_later(found.scope, found.start)
        return self._group(("name", found.scope, found.role == CALLEE, later), found)

    def attribute_group(self, found: Occurrence) -> int:
        """Index of the group for an attribute that is read or called."""
        return self._group(self._file._receiver(found, found.role == CALLEE), found)

    def use_attributes(self, used: Iterable[str]) -> None:
        """Tell which attributes the function itself mentions; call it before asking for groups."""
        self._used_attributes = list(dict.fromkeys(used))

    def _group(self, key: tuple[object, ...], found: Occurrence) -> int:
        index = self._indices.get(key)
        if index is None:
            if key[0] == "name":
                later = self._scopes.declared_later(found.scope, found.start)
                names = self._names(found.scope, found.role == CALLEE, later)
            else:
                names = self._attribute_names(self._file._receiver(found, found.role == CALLEE))
            index = self._indices[key] = self._store(names)
        if found.name in self._members[index]:
            return index
        own = (*key, found.name)
        if own not in self._indices:
            self._indices[own] = self._store((found.name, *self.groups[index]))
        return self._indices[own]

    def _store(self, names: tuple[str, ...]) -> int:
        group = names[:GROUP_LIMIT]
        self.groups.append(group)
        self._members.append(frozenset(group))
        return len(self.groups) - 1

    def _names(self, scope: int, called: bool, later: frozenset[str]) -> tuple[str, ...]:
        scopes, file = self._scopes, self._file
        start, end = self._span
        chain = scopes.chain(scope)
        inner = [i for i in chain if start <= scopes.scopes[i].start < end and i > 0]
        sources: list[Iterable[str]] = [scopes.scopes[index].bound for index in inner]
        sources.append([name for name in self._used if scopes.resolve(scope, name) != -2])
        sources += [scopes.scopes[index].bound for index in chain[len(inner) : -1]]
        if called:
            sources.append(file._called)
            return _first(sources, lambda name: name in file._callables and name not in later)
        sources.append(file._read)
        return _first(sources, lambda name: name not in file._unread and name not in later)

    def _attribute_names(self, key: tuple[int, str, bool]) -> tuple[str, ...]:
        file = self._file
        uses = file._attribute_uses[key[2]]
        sources = (
            file._by_receiver.get(key, {}),
            [name for name in self._used_attributes if name in uses],
            file._all_attributes[key[2]],
        )
        return _first(sources, lambda name: not name.startswith("__"))


def _first(sources: Iterable[Iterable[str]], accept: Callable[[str], bool]) -> tuple[str, ...]:
    """The first ``GROUP_LIMIT`` accepted names of the sources, each once."""
    names: dict[str, None] = {}
    for source in sources:
        for name in source:
            if name not in names and accept(name):
                names[name] = None
                if len(names) == GROUP_LIMIT:
                    return tuple(names)
    return tuple(names)
