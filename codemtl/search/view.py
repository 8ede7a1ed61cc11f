"""One function as the templates see it: its expressions and statements, what each is likely to
hold, and what of the file could stand in their place.

The kinds are guesses (``search.kinds``): ``len(x)`` is a number, ``for c in text`` a text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

from tree_sitter import Node

from codemtl.search.failures import SILENT, Failures
from codemtl.search.file_view import FileView
from codemtl.search.kinds import KIND_OF_CALL, KIND_OF_NODE, NUMBER, TEXT, TRUTH, UNKNOWN, annotated
from codemtl.search.nodes import (
    EXPRESSIONS,
    NOT_VALUES,
    PLAIN,
    TESTS,
    first_identifier,
    is_docstring,
    is_value,
)
from codemtl.syntax.builtin_names import BUILTINS
from codemtl.syntax.definitions import Definition
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import SourceTree

_NAME = re.compile(r"[A-Za-z_]\w*")
_NONE = re.compile(r"\b(\w+)\b(?::[^,=()]*)?\s*=\s*None\b")
_UNSET = r"\bOWNER\.([A-Za-z_]\w*)\s*=\s*None\b"
_ATTRIBUTE = r"\bOWNER\.([A-Za-z_]\w*)\b(?!\s*\()"
NEAREST_NAMES = 10  # variables that templates put in at one place
_QUOTED = re.compile(r"""(?<![\w])(['"])(.{1,20}?)\1""")
_WORD = re.compile(r"[A-Za-z]{4,}")
_NUMERAL = re.compile(r"(?<![\w.])\d{1,6}(?!\w|\.\d)")


def module_of(tree: SourceTree) -> Definition:
    """All of a file that stands outside of functions, to be viewed like one."""
    return Definition("", "module", tree.root, tree.root, None)


class FunctionView:
    """A function of a file; spans are byte offsets into the file's UTF-8 text.

    Of a module it shows the expressions outside of functions, and no statements.
    """

    def __init__(
        self,
        tree: SourceTree,
        definition: Definition,
        scopes: Scopes,
        failures: Failures = SILENT,
        file: FileView | None = None,
    ) -> None:
        self.tree, self.definition, self.scopes = tree, definition, scopes
        self.file = file if file is not None else FileView(tree)
        self.failures = failures  # what the failing tests say
        self.node = definition.node
        body = self.node.child_by_field_name("body")
        self.body = body if body is not None else self.node
        self._kinds: dict[int, str] = {}
        self._visible: dict[int, frozenset[str]] = {}
        self._members: dict[str, list[str]] = {}
        self.free_names: dict[int, frozenset[str]] = {}  # by node; a cache of the templates
        self.names: dict[str, str] = {}  # local name -> kind
        self.is_module = definition.kind == "module"
        self.expressions = list(self._expressions(self.body))
        self.statements = [] if self.is_module else list(self._statements(self.body))
        self._learn_names()

    def text(self, node: Node) -> str:
        """The source text of a node."""
        return self.tree.text(node)

    def line(self, node: Node) -> int:
        """The 1-based line where a node starts."""
        return node.start_point[0] + 1

    def line_start(self, node: Node) -> int:
        """The byte at which the line begins where a node starts."""
        return self.tree.data.rfind(b"\n", 0, node.start_byte) + 1

    def line_text(self, node: Node) -> str:
        """The text of the line where a node starts."""
        end = self.tree.data.find(b"\n", node.start_byte)
        return self.tree.data[self.line_start(node) : end if end >= 0 else None].decode()

    def near(self, one: Node, place: Node, lines: int) -> float:
        """How near two nodes are: 1 on one line, half of it so many lines apart."""
        return 1 / (1 + abs(self.line(one) - self.line(place)) / lines)

    # --- what stands in the function

    def nodes(self) -> Iterator[Node]:
        """All nodes of the body in source order; of a module those outside of functions."""
        stack = [self.body]
        while stack:
            node = stack.pop()
            yield node
            if not (self.is_module and node.type == "function_definition"):
                stack.extend(reversed(node.children))

    def _expressions(self, top: Node) -> Iterator[Node]:
        """Nodes that hold a value, in source order; what is called and docstrings left out."""
        stack = [top]
        while stack:
            node = stack.pop()
            if node.type in NOT_VALUES or is_docstring(node):
                continue
            if self.is_module and node.type == "function_definition":
                continue
            if node.type in EXPRESSIONS and is_value(node):
                yield node
            stack.extend(reversed(node.named_children))

    def _statements(self, top: Node) -> Iterator[Node]:
        """Statements that begin their line, in source order; docstrings left out."""
        stack = [top]
        while stack:
            node = stack.pop()
            parent = node.parent
            if (
                parent is not None
                and parent.type == "block"
                and node.type != "comment"
                and not is_docstring(node)
                and self.begins_line(node)
            ):
                yield node
            if node.child_count and node.type not in EXPRESSIONS:
                stack.extend(reversed(node.named_children))

    def begins_line(self, node: Node) -> bool:
        """Whether only blanks stand before a node on its line."""
        return not self.tree.data[self.line_start(node) : node.start_byte].strip()

    def indent(self, node: Node) -> str:
        """What stands before a node on its line; blanks, if it begins the line."""
        return self.tree.data[self.line_start(node) : node.start_byte].decode()

    @cached_property
    def unit(self) -> str:
        """One level of indentation as this function writes it."""
        outer = self.indent(self.node) if self.begins_line(self.node) else ""
        inner = self.indent(self.statements[0]) if self.statements else ""
        return inner[len(outer) :] if len(inner) > len(outer) else "    "

    @cached_property
    def tests(self) -> list[Node]:
        """Expressions that are true or false, constants left out."""
        return [
            one for one in self.expressions
            if (one.type in TESTS or self.kind(one) == TRUTH) and one.type not in ("true", "false")
        ]  # fmt: skip

    @cached_property
    def unread(self) -> list[str]:
        """Parameters that nothing in the body reads, and imports that nothing uses."""
        parameters = self.node.child_by_field_name("parameters")
        named = [first_identifier(one) for one in (parameters.named_children if parameters else ())]
        found = [self.text(one) for one in named if one is not None]
        read = set(_NAME.findall(self.body_text))
        unread = [one for one in found if one not in read and one != self.owner]
        return [*unread, *self.file.unread]

    @cached_property
    def body_text(self) -> str:
        """The text of the body."""
        return self.text(self.body)

    @cached_property
    def docstring(self) -> str:
        """The text of the docstring, or ""."""
        first = self.body.named_children[0] if self.body.named_children else None
        return self.text(first) if first is not None and is_docstring(first) else ""

    @cached_property
    def quoted(self) -> list[str]:
        """Short strings that the docstring quotes; what doctest examples print is among them."""
        return list(dict.fromkeys(match[2] for match in _QUOTED.finditer(self.docstring)))[:12]

    @cached_property
    def numerals(self) -> list[str]:
        """Whole numbers that the docstring's prose names, examples left out."""
        prose = "\n".join(
            line for line in self.docstring.split("\n") if not line.lstrip().startswith(">>>")
        )
        return list(dict.fromkeys(_NUMERAL.findall(prose)))[:8]

    @cached_property
    def words(self) -> list[str]:
        """The words of the docstring."""
        return list(dict.fromkeys(_WORD.findall(self.docstring)))

    # --- the object of a method

    @cached_property
    def owner(self) -> str:
        """What a method calls its object; "" in a plain function."""
        parent = self.definition.parent
        parameters = self.node.child_by_field_name("parameters")
        first = parameters.named_children[:1] if parameters is not None else []
        method = parent is not None and parent.kind == "class"
        return self.text(first[0]) if method and first and first[0].type == "identifier" else ""

    def members(self, pattern: str) -> list[str]:
        """What a pattern finds in the class; OWNER in it stands for the object."""
        parent = self.definition.parent
        if not self.owner or parent is None:
            return []
        if pattern not in self._members:
            found = re.findall(pattern.replace("OWNER", self.owner), self.text(parent.node))
            self._members[pattern] = found
        return self._members[pattern]

    @cached_property
    def set_once(self) -> frozenset[str]:
        """Variables that get a constant or another variable, and no other value anywhere."""
        found: dict[str, bool] = {}
        for node in self.nodes():
            if node.type in ("assignment", "augmented_assignment", "for_statement"):
                left, right = (node.child_by_field_name(key) for key in ("left", "right"))
                for name in _NAME.findall(self.text(left)) if left is not None else ():
                    first = name not in found and node.type == "assignment"
                    found[name] = first and right is not None and right.type in PLAIN
        return frozenset(name for name, once in found.items() if once)

    @cached_property
    def attributes(self) -> list[str]:
        """What the object holds, as far as the class shows it."""
        return [one for one in dict.fromkeys(self.members(_ATTRIBUTE)) if one != self.owner]

    @cached_property
    def methods(self) -> list[tuple[str, int]]:
        """What the object answers yes or no by: (``self.name``, number of plain parameters)."""
        parent = self.definition.parent
        if not self.owner or parent is None:
            return []
        body = parent.node.child_by_field_name("body")
        found = self.file.answering(body.named_children if body is not None else ())
        return [(f"{self.owner}.{name}", count - 1) for name, count in found]

    @cached_property
    def optional(self) -> frozenset[str]:
        """Parameters and attributes that are None at first."""
        parameters = self.node.child_by_field_name("parameters")
        found = set(_NONE.findall(self.text(parameters) if parameters is not None else ""))
        return frozenset(found | {f"{self.owner}.{name}" for name in self.members(_UNSET)})

    # --- names

    def visible(self, node: Node) -> frozenset[str]:
        """Names that may stand at a node: those in reach, and all builtins."""
        scope = self.scopes.scope_at(node).index
        found = self._visible.get(scope)
        if found is None:
            found = self._visible[scope] = frozenset(self.scopes.visible_in(scope)) | BUILTINS
        return found

    def locals_at(self, node: Node) -> list[str]:
        """Variables of this function that may stand at a node, of many the nearest."""
        visible = self.visible(node)
        found = [name for name in self.names if name in visible]
        if len(found) <= NEAREST_NAMES:
            return found
        line = self.line(node)
        return sorted(found, key=lambda name: _distance(self._name_lines.get(name, []), line))[
            :NEAREST_NAMES
        ]

    @cached_property
    def _name_lines(self) -> dict[str, list[int]]:
        """The lines on which each variable stands, in order."""
        lines: dict[str, list[int]] = {}
        for found in self.scopes.names_within(self.node.start_byte, self.node.end_byte):
            line = self.tree.data.count(b"\n", 0, found.start) + 1
            lines.setdefault(found.name, []).append(line)
        return lines

    def nearest(self, nodes: Sequence[Node], place: Node, count: int) -> list[Node]:
        """Of many nodes in source order those nearest to a place."""
        if len(nodes) <= count:
            return list(nodes)
        starts = [one.start_byte for one in nodes]
        at = bisect_left(starts, place.start_byte)
        low = max(0, min(at - count // 2, len(nodes) - count))
        return list(nodes[low : low + count])

    def _learn_names(self) -> None:
        parameters = self.node.child_by_field_name("parameters")
        for one in parameters.named_children if parameters is not None else ():
            name = first_identifier(one)
            if name is not None:
                value = one.child_by_field_name("value")
                kind = annotated(self.text(one))
                if kind == UNKNOWN and value is not None and value.type != "none":
                    kind = KIND_OF_NODE.get(value.type, UNKNOWN)
                self.names.setdefault(self.text(name), kind)
        for _ in range(2):  # once more, as later lines tell of earlier names
            self._kinds.clear()
            for node in self.nodes():
                self._learn_from(node)
        self._kinds.clear()

    def _learn_from(self, node: Node) -> None:
        if node.type in ("assignment", "augmented_assignment", "named_expression"):
            left = node.child_by_field_name("left") or node.child_by_field_name("name")
            right = node.child_by_field_name("right") or node.child_by_field_name("value")
            if left is not None:
                self._bind(left, UNKNOWN if right is None else self.kind(right))
        elif node.type == "lambda":
            parameters = node.child_by_field_name("parameters")
            for one in parameters.named_children if parameters is not None else ():
                self._bind(one, UNKNOWN)
        elif node.type in ("for_statement", "for_in_clause"):
            left, right = (node.child_by_field_name(key) for key in ("left", "right"))
            if left is not None and right is not None:
                self._bind_items(left, right)

    def _bind_items(self, left: Node, right: Node) -> None:
        text = self.text(right)
        if text.startswith(("range(", "reversed(range(")):
            self._bind(left, NUMBER)
        elif text.startswith("enumerate(") and left.named_child_count == 2:
            self._bind(left.named_children[0], NUMBER)
            self._bind(left.named_children[1], UNKNOWN)
        else:
            self._bind(left, TEXT if self.kind(right) == TEXT else UNKNOWN)

    def _bind(self, target: Node, kind: str) -> None:
        if target.type == "identifier":
            name = self.text(target)
            if self.names.get(name, UNKNOWN) == UNKNOWN:
                self.names[name] = kind
        elif target.type in ("pattern_list", "tuple_pattern", "list_pattern"):
            for child in target.named_children:
                self._bind(child, UNKNOWN)

    # --- kinds

    def kind(self, node: Node) -> str:
        """What an expression is likely to hold."""
        found = self._kinds.get(node.id)
        if found is None:
            found = self._kinds[node.id] = self._kind(node)
        return found

    def _kind(self, node: Node) -> str:
        kind = node.type
        if kind == "identifier":
            return self.names.get(self.text(node), UNKNOWN)
        if kind == "parenthesized_expression" and node.named_child_count == 1:
            return self.kind(node.named_children[0])
        if kind == "attribute":
            attribute = node.child_by_field_name("attribute")
            name = "" if attribute is None else self.text(attribute)
            return self.file.attribute_kinds.get(name, UNKNOWN)
        if kind == "call":
            function = node.child_by_field_name("function")
            name = self.text(function).rpartition(".")[2] if function is not None else ""
            return KIND_OF_CALL.get(name, UNKNOWN)
        if kind in ("binary_operator", "boolean_operator"):
            sides = {self.kind(n) for key in ("left", "right")
                     if (n := node.child_by_field_name(key)) is not None}  # fmt: skip
            known = sides - {UNKNOWN}
            if kind == "binary_operator" and len(known) > 1 and NUMBER in known:
                return (known - {NUMBER}).pop()  # "ab" * 2, [0] * n
            return known.pop() if len(known) == 1 else UNKNOWN
        if kind == "unary_operator":
            return NUMBER
        if kind == "subscript":
            value, index = (node.child_by_field_name(key) for key in ("value", "subscript"))
            held = self.kind(value) if value is not None else UNKNOWN
            if held == TEXT or (index is not None and index.type == "slice"):
                return held
            return UNKNOWN
        if kind == "conditional_expression" and node.named_child_count == 3:
            return self.kind(node.named_children[0])
        return KIND_OF_NODE.get(kind, UNKNOWN)


def _distance(lines: Sequence[int], line: int) -> int:
    """From a line to the nearest of some, in lines."""
    at = bisect_left(lines, line)
    return min((abs(one - line) for one in lines[max(0, at - 1) : at + 1]), default=10**6)
