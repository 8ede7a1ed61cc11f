"""What the rest of a file tells about one function, as short single-line snippets.

Example, for ``Scraper.parse`` of a small file, most informative first:

    class Scraper(Base)
    def fetch(self, url, *, retries=3)         a method that parse calls
    self.session, self.cache                   attributes that the rest of the class assigns
    from urllib.parse import urljoin           an import that parse uses
    LIMIT = 10                                 a module name that parse uses
    def close(self)                            another method

The facts of a file are computed once (``FileFacts``); the context of each function is then a few
look-ups, because both training over a large corpus and an editor ask for all functions of a file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from tree_sitter import Node, Query

from codemtl.syntax.definitions import Definition, link_definitions
from codemtl.syntax.tree import SourceTree, captures, language

SNIPPETS = 24  # at most
SNIPPET_LIMIT = 160  # characters; a longer snippet is cut
VALUE_LIMIT = 40  # a longer right-hand side of a module-level assignment is left out
DEFAULT_LIMIT = 12  # a longer default value is shown as "..."
NEAR = 24  # module-level definitions looked at on either side of a function
BASES_LIMIT = 4  # base classes of the same file that are followed

_QUERY = """
(function_definition) @definition
(class_definition) @definition
(decorated_definition) @outer
(import_statement) @import
(import_from_statement) @import
(assignment left: (_) @target)
(string_content) @prose
(comment) @prose
"""
_NAME = re.compile(rb"[A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]*")
_SELF = re.compile(rb"\bself\s*\.\s*([A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]*)")
_GOES_ON = ("(", "[", "{", ",", "\\", '"""', "'''")  # the value has more lines
_SPACES = re.compile(r"\s+")
_UNSPACED = re.compile(r"(?<=[(\[{]) | (?=[)\]},:])")


class _Fact(NamedTuple):
    """A name that a snippet can introduce, and where it was written."""

    name: bytes
    start: int
    snippet: str


class FileFacts:
    """Everything ``context`` needs to know of one file, computed once."""

    def __init__(self, tree: SourceTree) -> None:
        found = captures(_query(), tree.root)
        self.tree = tree
        self.definitions = link_definitions(
            tree, found.get("definition", []), found.get("outer", [])
        )
        self._starts = [one.node.start_byte for one in self.definitions]
        self._code = _without_prose(tree.data, found.get("prose", []))
        self._by_name: dict[bytes, list[Definition]] = {}  # module-level definitions
        self._module = [one for one in self.definitions if one.parent is None]
        self._module_starts = [one.start for one in self._module]
        self._members: dict[int, list[Definition]] = {}  # class node start -> its definitions
        for one in self.definitions:
            if one.parent is None:
                self._by_name.setdefault(one.name.encode(), []).append(one)
            else:
                self._members.setdefault(one.parent.node.start_byte, []).append(one)
        self._attributes: dict[int, list[tuple[bytes, int]]] = {}  # class node start -> (name, at)
        self._assigned: list[_Fact] = []  # at module level
        for target in found.get("target", []):
            self._add_target(target)
        self._imports: list[_Fact] = []
        for statement in found.get("import", []):
            self._imports.extend(_imported(tree, statement))
        self._signatures: dict[int, str] = {}

    def context(self, definition: Definition, *, by_use: bool = True) -> list[str]:
        """Snippets from outside ``definition``, most informative first, without repetition.

        What the function uses comes first; without ``by_use`` the context does not depend on that.
        """
        seen: dict[str, None] = {}
        for snippet in self._snippets(definition, by_use):
            seen.setdefault(_clip(snippet, SNIPPET_LIMIT))
            if len(seen) >= SNIPPETS:
                break
        return list(seen)

    def _snippets(self, definition: Definition, by_use: bool) -> Iterator[str]:
        start, end = definition.start, definition.end
        names = frozenset(_NAME.findall(self._code, start, end) if by_use else ())
        classes = self._classes_around(definition)
        outer = definition.parent
        if outer is not None and outer.kind == "function":
            yield self._signature(outer)
        for one in classes:
            yield self._signature(one)
        siblings = [
            member
            for owner in classes
            for member in self._members.get(owner.node.start_byte, ())
            if not start <= member.start < end
        ]
        if outer is not None and outer.kind == "function":
            siblings += [
                one for one in self._members.get(outer.node.start_byte, ()) if one.start != start
            ]
        for one in siblings:
            if one.name.encode() in names:
                yield self._signature(one)
        known = names.intersection(self._by_name)
        for name in sorted(known, key=lambda name: (self._by_name[name][0].start, name)):
            for one in self._by_name[name]:
                if not one.start <= start < one.end:
                    yield self._signature(one)
        yield from self._attribute_groups(classes, start, end)
        for facts in (self._imports, self._assigned):
            for fact in facts:
                if fact.name in names and not start <= fact.start < end:
                    yield fact.snippet
        yield from self._others(definition, siblings)

    def _others(self, definition: Definition, siblings: list[Definition]) -> Iterator[str]:
        """Signatures that the function does not use, the nearest first."""
        start = definition.start
        middle = bisect_left(self._module_starts, start)
        near = self._module[max(0, middle - NEAR) : middle + NEAR]
        module = [one for one in near if not one.start <= start < one.end]
        for group in (siblings, module):
            for one in sorted(group, key=lambda one: abs(one.start - start)):
                yield self._signature(one)

    def _classes_around(self, definition: Definition) -> list[Definition]:
        """The class that holds ``definition``, then its base classes of this file."""
        owner = definition.parent
        while owner is not None and owner.kind == "function":
            owner = owner.parent
        found = [] if owner is None else [owner]
        for one in found:
            bases = one.node.child_by_field_name("superclasses")
            if bases is None or len(found) > BASES_LIMIT:
                continue
            for name in _NAME.findall(self.tree.data, bases.start_byte, bases.end_byte):
                for base in self._by_name.get(name, ()):
                    if base.kind == "class" and base not in found and base is not definition:
                        found.append(base)  # the loop goes on with it: bases of bases
        return found

    def _attribute_groups(self, classes: list[Definition], start: int, end: int) -> Iterator[str]:
        for owner in classes:
            written = self._attributes.get(owner.node.start_byte, ())
            names = dict.fromkeys(name for name, at in written if not start <= at < end)
            if names:
                texts = [name.decode("utf-8", "replace") for name in names]
                yield _clip("self." + ", ".join(texts), SNIPPET_LIMIT, ",")

    def _signature(self, definition: Definition) -> str:
        """Header of a function or class on one line, without annotations; cached."""
        at = definition.node.start_byte
        found = self._signatures.get(at)
        if found is None:
            if definition.kind == "function":
                found = _function_header(self.tree, definition)
            else:
                found = self._class_header(definition)
            self._signatures[at] = found
        return found

    def _class_header(self, definition: Definition) -> str:
        bases = definition.node.child_by_field_name("superclasses")
        return f"class {definition.name}" + (_line(self.tree, bases) if bases is not None else "")

    def _add_target(self, target: Node) -> None:
        """File the left side of an assignment under its class or under the module."""
        start = target.start_byte
        around = self._around(start)
        left = self._code[start : target.end_byte]
        if around is None:
            if target.type in ("identifier", "pattern_list", "tuple_pattern"):
                snippet = _assignment(self.tree, target)
                self._assigned += [_Fact(name, start, snippet) for name in _NAME.findall(left)]
            return
        if around.kind == "class":
            names = [left] if target.type == "identifier" else []
        else:
            names = _SELF.findall(left) if b"self" in left else []
        while around is not None and around.kind == "function":
            around = around.parent
        if around is not None and names:
            into = self._attributes.setdefault(around.node.start_byte, [])
            into.extend((name, start) for name in names)

    def _around(self, offset: int) -> Definition | None:
        """The innermost definition that holds the byte at ``offset``."""
        index = bisect_left(self._starts, offset + 1) - 1
        found = self.definitions[index] if index >= 0 else None
        while found is not None and found.node.end_byte <= offset:
            found = found.parent
        return found


@lru_cache(maxsize=4)
def file_facts(tree: SourceTree) -> FileFacts:
    """The facts of a file; those of the last few are kept, for who asks function by function."""
    return FileFacts(tree)


@cache
def _query() -> Query:
    return Query(language(), _QUERY)


def _without_prose(data: bytes, nodes: Iterable[Node]) -> bytes:
    """Blank the text of strings and comments; every other byte keeps its place."""
    parts: list[bytes] = []
    position = 0
    for node in nodes:
        start, end = node.start_byte, node.end_byte
        if start < position:
            continue
        parts.append(data[position:start])
        parts.append(b" " * (end - start))
        position = end
    parts.append(data[position:])
    return b"".join(parts)


def _line(tree: SourceTree, node: Node) -> str:
    """Return the text of a node on one line."""
    return _UNSPACED.sub("", _SPACES.sub(" ", tree.text(node)))


def _clip(snippet: str, limit: int, end: str = "") -> str:
    """Cut a snippet that is too long, if ``end`` is given at the last one that fits."""
    if len(snippet) <= limit:
        return snippet
    return snippet[:limit].rpartition(end)[0] if end else snippet[:limit]


def _assignment(tree: SourceTree, target: Node) -> str:
    """``NAME = value`` if the value is short, otherwise the targets alone."""
    left = _line(tree, target)
    end = tree.data.find(b"\n", target.end_byte, target.end_byte + 2 * VALUE_LIMIT)
    rest = tree.data[target.end_byte : end].decode("utf-8", "replace").strip() if end > 0 else ""
    whole = rest.startswith("=") and len(rest) <= VALUE_LIMIT and not rest.endswith(_GOES_ON)
    return f"{left} {rest}" if whole else left


def _imported(tree: SourceTree, statement: Node) -> Iterator[_Fact]:
    """One fact for each name that an import binds: ``from a import b`` or ``import a as b``."""
    module = statement.child_by_field_name("module_name")
    prefix = "import " if module is None else f"from {tree.text(module)} import "
    for node in statement.children_by_field_name("name"):
        alias = node.child_by_field_name("alias") if node.type == "aliased_import" else None
        text = tree.text(alias if alias is not None else node)
        bound = text if module is not None or alias is not None else text.partition(".")[0]
        yield _Fact(bound.encode(), node.start_byte, prefix + _line(tree, node))


def _function_header(tree: SourceTree, definition: Definition) -> str:
    """``def name(a, b=1, *rest)``: annotations are long and tell the model little."""
    parameters = definition.node.child_by_field_name("parameters")
    parts = []
    for node in parameters.named_children if parameters is not None else ():
        if node.type == "comment":
            continue
        if node.type in ("default_parameter", "typed_default_parameter"):
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            default = _line(tree, value) if value is not None else "..."
            default = default if len(default) <= DEFAULT_LIMIT else "..."
            parts.append((tree.text(name) if name is not None else "") + "=" + default)
        elif node.type == "typed_parameter" and node.named_children:
            parts.append(_line(tree, node.named_children[0]))
        else:
            parts.append(_line(tree, node))
    return f"def {definition.name}({', '.join(parts)})"
