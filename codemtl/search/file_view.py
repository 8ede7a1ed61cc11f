"""A file as the templates see it: what its text says of functions, keywords, attributes and types.

All of it is read off by patterns, and only orders candidates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from tree_sitter import Node

from codemtl.search.kinds import KIND_OF_CALL, KIND_OF_NODE, NOTHING, UNKNOWN
from codemtl.syntax.tree import SourceTree, walk

_CHECKED = re.compile(r"\bisinstance\([^(),\n]+, ([\w.]+)\)")
_CALL_OF = r"\b{}\(((?:[^()]|\([^()]*\)){{0,600}})\)"
_KEYWORD = re.compile(
    r"(?<![\w.*])([A-Za-z_]\w*)(?::[^,=()]*)? ?= ?([\w.]+|\"[^\"\n]*\"|'[^'\n]*')(?=\s*(?:,|\Z))"
)
MAX_CALLS_OF_CLASS, MAX_CALL = 24, 80  # that are made for what they do; characters of one
MAX_CALLS = 40  # of a function, from which its keywords are learned
_CONVERTER = re.compile(r"(?<![\w.])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\([\w.\[\]]+\)")
_ATTRIBUTE = re.compile(r"\b([A-Za-z_]\w*)\.([A-Za-z_]\w*)\b(?!\s*\()")
MAX_CONVERTERS, MAX_ATTRIBUTES = 8, 6  # the most frequent ones
MAX_PREDICATES = 6
MAX_UNREAD = 4  # imports that nothing uses
MAX_SET = 40  # attributes that may be meant, or set
_IMPORTS = ("import_statement", "import_from_statement")
_WORD = re.compile(r"[A-Za-z_]\w*")
_ANSWERS = re.compile(
    r"\Adef _*(is|has|can|should|contains|needs|are|was)_|-> bool\b|\breturn (True|False|not )"
)
_GIVES = re.compile(r"\breturn[ (\[{](?!None\b)|\byield\b|\braise NotImplementedError\b")
_PLAIN = frozenset({  # what other templates call values with
    "abs", "all", "any", "bool", "bytes", "dict", "enumerate", "filter", "float", "frozenset",
    "int", "isinstance", "iter", "len", "list", "map", "max", "min", "next", "ord", "print",
    "range", "repr", "reversed", "round", "set", "sorted", "str", "sum", "super", "tuple", "type",
    "zip",
})  # fmt: skip
_OBJECTS = frozenset({"self", "cls"})


class Procedure(NamedTuple):
    """A function that does something and hands nothing back."""

    name: str
    parameters: list[str]  # that a call must give, the object of a method among them


class _Done(NamedTuple):
    procedures: list[Procedure]
    calls: list[Node]


class FileView:
    """What a file's text says of the things that its functions use."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree
        self._keywords: dict[str, dict[str, list[str]]] = {}
        self._done: dict[int, _Done] = {}

    @cached_property
    def source(self) -> str:
        """The text of the whole file."""
        return self.tree.data.decode()

    @cached_property
    def types(self) -> list[str]:
        """The types that the file's own checks name, the most frequent first."""
        found = Counter(_CHECKED.findall(self.source))
        return [name for name, _ in found.most_common()]

    def keywords(self, function: str) -> dict[str, list[str]]:
        """Keywords of a function and their values, where the file calls or defines one so named."""
        if function in self._keywords or not function.isidentifier():
            return self._keywords.get(function, {})
        found = self._keywords[function] = {}
        pattern = _CALL_OF.format(function)
        for call in islice(re.finditer(pattern, self.source), MAX_CALLS):
            for name, value in _KEYWORD.findall(call[1]):
                if value not in found.setdefault(name, []):
                    found[name].append(value)
        return found

    @cached_property
    def converters(self) -> list[tuple[str, int]]:
        """What the file calls with one plain argument, and how often; the most frequent first."""
        found = Counter(name for name in _CONVERTER.findall(self.source) if name not in _PLAIN)
        return found.most_common(MAX_CONVERTERS)

    @cached_property
    def _attributes(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for name, attribute in _ATTRIBUTE.findall(self.source):
            found.setdefault(name, Counter())[attribute] += 1
        return found

    def attributes_of(self, name: str) -> list[tuple[str, int]]:
        """Attributes that the file reads of a name (of ``a.name`` too), the most frequent first."""
        if name in _OBJECTS or name not in self._attributes:
            return []
        return self._attributes[name].most_common(MAX_ATTRIBUTES)

    @cached_property
    def attribute_names(self) -> frozenset[str]:
        """The attributes that the file reads or sets of anything."""
        return frozenset(name for found in self._attributes.values() for name in found)

    @cached_property
    def unread(self) -> list[str]:
        """Names that the file imports and does not use."""
        bound = []
        for one in self._top:
            module = one.child_by_field_name("module_name")
            if one.type in _IMPORTS and (module is None or self.tree.text(module) != "__future__"):
                for name in one.children_by_field_name("name"):
                    bound.append(self.tree.text(name.child_by_field_name("alias") or name))
        words = Counter(_WORD.findall(self.source))
        return [one for one in dict.fromkeys(bound) if words[one] == 1][:MAX_UNREAD]

    @cached_property
    def attribute_kinds(self) -> dict[str, str]:
        """What the attributes that the file sets are likely to hold, whoever has them."""
        found: dict[str, str] = {}
        for node in walk(self.tree.root):
            left, right = (node.child_by_field_name(key) for key in ("left", "right"))
            if node.type != "assignment" or left is None or right is None:
                continue
            attribute = left.child_by_field_name("attribute")
            if left.type == "attribute" and attribute is not None:
                name, kind = self.tree.text(attribute), self._kind_of(right)
                known = {kind, found.get(name, NOTHING)} - {NOTHING} or {NOTHING}
                found[name] = known.pop() if len(known) == 1 else UNKNOWN
        return found

    @cached_property
    def attributes_set(self) -> list[str]:
        """The attributes that the file sets, of many those that it names most often."""
        words = Counter(_WORD.findall(self.source))
        return sorted(self.attribute_kinds, key=lambda name: -words[name])[:MAX_SET]

    def _kind_of(self, value: Node) -> str:
        function = value.child_by_field_name("function") if value.type == "call" else None
        if function is not None:
            return KIND_OF_CALL.get(self.tree.text(function).rpartition(".")[2], UNKNOWN)
        return KIND_OF_NODE.get(value.type, UNKNOWN)

    @cached_property
    def functions(self) -> list[tuple[str, int]]:
        """The functions at module level: (name, number of plain parameters)."""
        return [(self._name(one), _parameters(one)) for one in _functions(self._top)]

    @cached_property
    def predicates(self) -> list[tuple[str, int]]:
        """Those of them that answer yes or no."""
        return self.answering(self._top)

    def answering(self, statements: Sequence[Node]) -> list[tuple[str, int]]:
        """The functions among some statements that answer yes or no, and their parameters."""
        return [
            (self._name(one), _parameters(one))
            for one in _functions(statements)
            if _ANSWERS.search(self.tree.text(one))
        ][:MAX_PREDICATES]

    def procedures(self, within: Node | None = None) -> list[Procedure]:
        """The functions of a class or the module, undecorated, that hand nothing back."""
        return self._done_in(within or self.tree.root).procedures

    def calls(self, within: Node) -> list[Node]:
        """The calls that a class makes for what they do, each text once."""
        return self._done_in(within).calls

    def _done_in(self, within: Node) -> _Done:
        if within.id not in self._done:
            body = within.child_by_field_name("body") or within
            calls: dict[str, Node] = {}
            for one in walk(body) if body != within else ():
                inner = one.named_children[0] if one.named_child_count else one
                text = self.tree.text(one) if inner.type == "call" else "\n"
                short = len(text) <= MAX_CALL and "\n" not in text
                if one.type == "expression_statement" and short:
                    calls.setdefault(text, one)
            found = [
                Procedure(self._name(one), [self.tree.text(wanted) for wanted in _required(one)])
                for one in body.named_children
                if one.type == "function_definition" and not _GIVES.search(self.tree.text(one))
            ]
            self._done[within.id] = _Done(found, list(calls.values())[:MAX_CALLS_OF_CLASS])
        return self._done[within.id]

    @property
    def _top(self) -> Sequence[Node]:
        return self.tree.root.named_children

    def _name(self, function: Node) -> str:
        name = function.child_by_field_name("name")
        return "" if name is None else self.tree.text(name)


def _functions(statements: Sequence[Node]) -> list[Node]:
    bare = [one.named_children[-1] if one.type == "decorated_definition" else one
            for one in statements]  # fmt: skip
    return [one for one in bare if one.type == "function_definition"]


def _required(function: Node) -> list[Node]:
    """The plain parameters that have no default."""
    parameters = function.child_by_field_name("parameters")
    found = []
    for one in parameters.named_children if parameters is not None else ():
        name = one if one.type == "identifier" else None
        if one.type == "typed_parameter" and one.named_children[0].type == "identifier":
            name = one.named_children[0]
        if name is not None:
            found.append(name)
    return found


def _parameters(function: Node) -> int:
    parameters = function.child_by_field_name("parameters")
    return len(parameters.named_children) if parameters is not None else 0
