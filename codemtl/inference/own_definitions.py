"""The definition behind a name of a file, in the file itself or in another one of its project.

Only what nothing else can be counts: a name that its module binds once, in a class whose bases are
known as far as it matters.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from tree_sitter import Node

from codemtl.inference.own_modules import OwnModules
from codemtl.inference.project import Project
from codemtl.syntax.definitions import Definition, definitions
from codemtl.syntax.imports import Import, imports_of
from codemtl.syntax.names import STORE
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.signatures import EXTRAS, Signature, signature_of
from codemtl.syntax.tree import SourceTree, parse

_LARGEST = 400_000  # bytes of another file
_TEXTS = ("string", "ellipsis", "concatenated_string")
_FURTHEST = 8  # modules or bases that are followed
_AT_RUN_TIME = re.compile(rb"__getattr|setattr|__dict__|metaclass|__new__|__init_subclass__")
_STAR = re.compile(rb"^[ \t]*from[ \t][^\n#]*\bimport[ \t]*\(?[ \t]*\*", re.M)
_MAKER_SET = re.compile(rb"\.__init__[ \t]*=(?!=)")
_MADE_OTHERWISE = re.compile("Enum|Flag|Meta|Model|Protocol")  # bases
_NOTHING = Signature((), 0)  # what `object` takes


class Module:
    """One file, and what it binds once at its top level."""

    def __init__(self, scopes: Scopes, place: str) -> None:
        """``place`` is its path in the project; "" without one."""
        self.scopes, self.place = scopes, place

    @property
    def tree(self) -> SourceTree:
        """The file's syntax tree."""
        return self.scopes.tree

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """Functions and classes."""
        if self.scopes.dynamic:
            return {}
        return {
            one.name: one for one in self._all
            if one.parent is None and self._once(one.name) and one.start >= self._behind
        }  # fmt: skip

    @cached_property
    def imports(self) -> dict[str, Import]:
        """What it imports, behind the last ``*``."""
        if self.scopes.dynamic:
            return {}
        found = imports_of(self.tree.data[self._behind :], top=True)
        return {one.name: one for one in found if self._once(one.name)}

    @cached_property
    def _behind(self) -> int:
        """The first byte behind the last import of ``*``, which may bind what stands before."""
        return max((one.end() for one in _STAR.finditer(self.tree.data)), default=0)

    @cached_property
    def members(self) -> dict[int, dict[str, list[Definition]]]:
        """What is defined in each class, by the first byte of the class and by name."""
        found: dict[int, dict[str, list[Definition]]] = defaultdict(lambda: defaultdict(list))
        for one in self._all:
            if one.parent is not None and one.parent.kind == "class":
                found[one.parent.node.start_byte][one.name].append(one)
        return found

    @cached_property
    def bound(self) -> dict[int, dict[str, int]]:
        """How often each name is bound in a class or function, by the first byte of that."""
        return {one.start: one.bound for one in self.scopes.scopes[1:]}

    @cached_property
    def classes(self) -> dict[int, Definition]:
        """By their first bytes."""
        return {one.node.start_byte: one for one in self._all if one.kind == "class"}

    @cached_property
    def _all(self) -> list[Definition]:
        return definitions(self.tree)

    def _once(self, name: str) -> bool:
        return self.scopes.scopes[0].bound.get(name) == 1


class Known(NamedTuple):
    """A definition, and the module that it stands in."""

    module: Module
    definition: Definition

    @property
    def signature(self) -> Signature | None:
        """How it is called; None if it may be called in any way. See `signature_of`."""
        return signature_of(self.module.tree, self.definition)

    @property
    def members(self) -> set[str]:
        """What the body of a class binds, and what is set of ``self`` in its file."""
        start, end = self.definition.node.start_byte, self.definition.node.end_byte
        stored = {
            one.name for one in self.module.scopes.attribute_uses
            if one.role == STORE and one.receiver in ("self", "cls") and start < one.start < end
        }  # fmt: skip
        return stored | self.module.bound.get(start, {}).keys()


class OwnDefinitions:
    """The definitions that the names of a file stand for."""

    def __init__(self, scopes: Scopes, project: Project | None) -> None:
        self._project = project
        self.here = Module(scopes, project.place if project is not None else "")
        self._modules: dict[str, Module | None] = {self.here.place: self.here}
        self._places: dict[tuple[str, str], str | None] = {}  # of modules, by who imports them

    def top(self, name: str, module: Module | None = None, steps: int = 0) -> Known | None:
        """What a name at the top level of a module stands for, imported perhaps."""
        module = module or self.here
        found = module.definitions.get(name)
        if found is not None:
            return Known(module, found)
        way = module.imports.get(name)
        if way is None or way.member is None or steps > _FURTHEST:
            return None
        source = self._module(way.module, module)
        return None if source is None else self.top(way.member, source, steps + 1)

    def attribute(self, name: str, attribute: str, module: Module | None = None) -> Known | None:
        """What ``name.attribute`` stands for, where the name is a module's."""
        module = module or self.here
        way = module.imports.get(name)
        if way is None:
            return None
        full = way.module
        if way.member is not None:
            package = self._module(way.module, module)
            if package is not None and not self._is_submodule(way.member, package):
                return None
            full += way.member if full.endswith(".") else f".{way.member}"
        elif name != full and name == full.partition(".")[0]:
            return None  # ``import a.b``
        source = self._module(full, module)
        return None if source is None else self.top(attribute, source)

    def member(self, owner: Known, name: str, steps: int = 0) -> Known | Literal[False] | None:
        """What defines a method of a class, itself or a base.

        False if nothing does, and None where that is not known.
        """
        module, start = owner.module, owner.definition.node.start_byte
        own = module.members.get(start, {}).get(name, [])
        if own or module.bound.get(start, {}).get(name):
            once = len(own) == 1 == module.bound.get(start, {}).get(name)
            return Known(module, own[0]) if once and own[0].kind == "function" else None
        bases = self.bases(owner) if steps <= _FURTHEST else None
        if bases is None or len(bases) > 1:  # which comes first, a class below may decide
            return None
        return self.member(bases[0], name, steps + 1) if bases else False

    def bases(self, owner: Known) -> list[Known] | None:
        """The bases of a class but `object`; None if one of them is not known, or it is special."""
        tree, found = owner.module.tree, []
        if _is_special(owner):
            return None
        for node in _superclasses(owner):
            if tree.text(node) == "object":
                continue
            base = self._named(node, owner.module)
            if base is None:
                return None
            found.append(base)
        return found

    def ancestors(self, known: Known, steps: int = 0) -> list[Known] | None:
        """A class and all that it comes from but `object`; None if one of them is not known."""
        above = self.bases(known) if steps <= _FURTHEST else None
        found = [known]
        for base in above or ():
            more = self.ancestors(base, steps + 1)
            if more is None:
                return None
            found += more
        return None if above is None else found

    def class_of(self, node: Node) -> Known | None:
        """The class that a name or dotted name of the file stands for."""
        return self._named(node, self.here)

    def signature(self, known: Known) -> Signature | None:
        """How a function or class is called; None if it may be called in any way."""
        if known.definition.kind == "function":
            return None if _is_stub(known.definition) else known.signature
        if self._is_special(known):
            return None
        maker = self.member(known, "__init__")
        return _NOTHING if maker is False else self.signature(maker) if maker else None

    def _is_special(self, known: Known, steps: int = 0) -> bool:
        """Whether a class, or one that it is known to come from, may be made in its own way."""
        above = (self._named(one, known.module) for one in _superclasses(known))
        return _is_special(known) or any(
            base is not None and (steps > _FURTHEST or self._is_special(base, steps + 1))
            for base in above
        )

    def _named(self, node: Node, module: Module) -> Known | None:
        """The class that a name or dotted name in a module stands for."""
        name, _, attribute = module.tree.text(node).partition(".")
        found = self.attribute(name, attribute, module) if attribute else self.top(name, module)
        return found if found is not None and found.definition.kind == "class" else None

    def _is_submodule(self, name: str, package: Module) -> bool:
        """Whether a name in a package is the submodule that is called so, and nothing else."""
        return name not in package.scopes.scopes[0].bound or any(
            one.name == name == one.member and self._module(one.module, package) is package
            for one in imports_of(package.tree.data)
        )

    def _module(self, name: str, importer: Module) -> Module | None:
        """Another module of the project, as an import in one of its modules names it."""
        key = importer.place, name
        if key not in self._places:
            own = None if self._project is None else OwnModules(self._project, importer.place)
            self._places[key] = None if own is None else own.file(name)
        place = self._places[key]
        if place is None or self._project is None:
            return None
        if place not in self._modules:
            text = self._project.text(place)
            scopes = _analysis(text) if 0 < len(text) <= _LARGEST else None
            self._modules[place] = None if scopes is None else Module(scopes, place)
        return self._modules[place]


def _superclasses(known: Known) -> list[Node]:
    """What stands in the brackets behind the name of a class."""
    named = known.definition.node.child_by_field_name("superclasses")
    found = named.named_children if named is not None else ()
    return [node for node in found if node.type not in EXTRAS]


def _is_stub(definition: Definition) -> bool:
    """Whether nothing is done in a function, no method: it stands for another one."""
    body = definition.node.child_by_field_name("body")
    return (
        definition.parent is None
        and body is not None
        and all(
            one.type in ("pass_statement", *EXTRAS)
            or (one.type == "expression_statement" and one.named_children[0].type in _TEXTS)
            for one in body.named_children
        )
    )


def _is_special(known: Known) -> bool:
    """Whether a class may be made or called in another way than most are."""
    tree, node = known.module.tree, known.definition.node
    return (
        known.definition.outer is not node
        or _MAKER_SET.search(tree.data) is not None
        or _AT_RUN_TIME.search(tree.data, node.start_byte, node.end_byte) is not None
        or any(
            one.type == "keyword_argument" or _MADE_OTHERWISE.search(tree.text(one))
            for one in _superclasses(known)
        )
    )


@lru_cache(maxsize=64)  # the same modules are imported by many files
def _analysis(text: bytes) -> Scopes:
    return analyze(parse(text))
