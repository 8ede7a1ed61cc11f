"""A file as the templates see it: what its text says of functions, keywords, attributes and types.

All of it is read off by patterns, and only orders candidates.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from itertools import islice

from codemtl.syntax.tree import SourceTree

_CHECKED = re.compile(r"\bisinstance\([^(),\n]+, ([\w.]+)\)")
_CALL_OF = r"\b{}\(((?:[^()]|\([^()]*\)){{0,600}})\)"
_KEYWORD = re.compile(
    r"(?<![\w.*])([A-Za-z_]\w*)(?::[^,=()]*)? ?= ?([\w.]+|\"[^\"\n]*\"|'[^'\n]*')(?=\s*(?:,|\Z))"
)
MAX_CALLS = 40  # of a function, from which its keywords are learned
_CONVERTER = re.compile(r"(?<![\w.])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\([\w.\[\]]+\)")
_ATTRIBUTE = re.compile(r"\b([A-Za-z_]\w*)\.([A-Za-z_]\w*)\b(?!\s*\()")
MAX_CONVERTERS, MAX_ATTRIBUTES = 8, 6  # the most frequent ones
_PLAIN = frozenset({  # what other templates call values with
    "abs", "all", "any", "bool", "bytes", "dict", "enumerate", "filter", "float", "frozenset",
    "int", "isinstance", "iter", "len", "list", "map", "max", "min", "next", "ord", "print",
    "range", "repr", "reversed", "round", "set", "sorted", "str", "sum", "super", "tuple", "type",
    "zip",
})  # fmt: skip
_OBJECTS = frozenset({"self", "cls"})


class FileView:
    """What a file's text says of the things that its functions use."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree
        self._keywords: dict[str, dict[str, list[str]]] = {}

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
    def functions(self) -> list[tuple[str, int]]:
        """The functions at module level: (name, number of plain parameters)."""
        found = []
        for outer in self.tree.root.named_children:
            node = outer.named_children[-1] if outer.type == "decorated_definition" else outer
            name = node.child_by_field_name("name")
            if node.type == "function_definition" and name is not None:
                parameters = node.child_by_field_name("parameters")
                count = len(parameters.named_children) if parameters is not None else 0
                found.append((self.tree.text(name), count))
        return found
