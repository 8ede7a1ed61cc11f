"""Where operators, conditions, literals and arguments of a file could be edited.

One walk a file lists every site but those of names. Two properties make a site useful for
training and are built into the rules below: an edit gives code that still parses, and the edited
code has a site at the same place whose options lead back. So each rule asks only about things
that the edit itself does not change (neighbouring tokens, the operands of a whole arithmetic
chain), never about the tree's shape, which changes with an operator's precedence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise

from tree_sitter import Node

from codemtl.syntax.actions import (
    ACTION_IDS,
    ACTIONS,
    AUGMENTED,
    BINARY,
    BOOLEAN,
    COMPARISON,
    CONSTANT,
    INTEGER,
    NEGATION,
    OFFSET,
    SWAP,
    Site,
)
from codemtl.syntax.alternatives import (
    APPENDING_OPTIONS,
    ARITHMETIC,
    AUGMENTED_OPTIONS,
    BINARY_OPTIONS,
    COMPARISON_OPTIONS,
    EQUALITY_OPTIONS,
    SAME_FOR_COUNTS,
    TRUTH_OPTIONS,
)
from codemtl.syntax.scopes import Scopes

MAX_ARGUMENT = 120  # bytes; longer arguments are not swapped
_SEQUENCES = frozenset({
    "string", "concatenated_string", "list", "tuple", "set", "dictionary", "list_comprehension",
    "set_comprehension", "dictionary_comprehension", "generator_expression",
})  # fmt: skip
_SEQUENCE_FUNCTIONS = frozenset({b"str", b"repr", b"list", b"tuple", b"sorted"})
_SEQUENCE_METHODS = frozenset({b"join", b"format", b"strip"})
_NEVER_AUGMENTED = frozenset({
    "none", "true", "false", "lambda", "dictionary", "dictionary_comprehension", "yield",
    "expression_list", "generator_expression", "assignment", "augmented_assignment",
    "pattern_list", "set", "set_comprehension",
})  # fmt: skip
_PRIMARY = frozenset({"identifier", "attribute", "call", "subscript", "parenthesized_expression"})
_SKIPPED = frozenset({
    "type", "import_statement", "import_from_statement", "future_import_statement",
    "global_statement", "nonlocal_statement", "print_statement", "exec_statement", "ERROR",
    "case_pattern", "comment", "identifier", "type_alias_statement", "type_parameter", "float",
    "string_start", "string_content", "string_end", "decorator",
})  # fmt: skip
_DECIMAL = re.compile(rb"(?:0|[1-9]\d{0,6})\Z")
MAX_INTEGER = 10**6
_AFTER_ARITHMETIC = re.compile(rb"[-+*/%]=?\s*\Z")
_BEFORE_SUM = re.compile(rb"[ \t]*[-+](?!=)")
_NEUTRAL = re.compile(rb"\s*([01])(?![\w.])")  # right operands that make operators equivalent
_BLANK = re.compile(rb"\s*\Z")
_COMMUTATIVE = re.compile(
    rb"(?:max|min|print|gcd|isclose|samefile|assert\w*(?:Equals?|Is|IsNot)|assert_\w*equal)\Z"
)
_LAST_WORD = re.compile(rb"(\w+)\Z")


def operator_sites(scopes: Scopes) -> list[Site]:
    """All sites of a file but names and attributes, in source order."""
    return _Finder(scopes).sites


class _Finder:
    def __init__(self, scopes: Scopes) -> None:
        self.data = scopes.tree.data
        self.scopes = scopes
        self.sites: list[Site] = []
        self._chains: dict[int, bool] = {}  # node id -> has text, for whole chains
        stack = [(scopes.tree.root, scopes.tree.root)]
        while stack:
            node, parent = stack.pop()
            kind = node.type
            handler = _HANDLERS.get(kind)
            if handler is not None:
                handler(self, node, parent)
            if node.child_count and not (kind == "unary_operator" and self._signed(node)):
                for child in node.named_children:
                    if child.type not in _SKIPPED:
                        stack.append((child, node))
        self.sites.sort(key=lambda site: (site.start, site.end))

    def _text(self, node: Node) -> bytes:
        return self.data[node.start_byte : node.end_byte]

    def _add(
        self, family: str, slot: tuple[int, int], anchor: Node | None, state: str,
        labels: Iterable[str],
    ) -> None:  # fmt: skip
        options = tuple(ACTION_IDS[family, label] for label in labels)
        if options:
            kind = ACTIONS[options[0]].kind
            at = slot if anchor is None else (anchor.start_byte, anchor.end_byte)
            self.sites.append(Site(family, kind, *slot, *at, state, options))

    def _comparison(self, node: Node, parent: Node) -> None:
        children = [child for child in node.children if child.type != "comment"]
        for left, operator, right in zip(children, children[1:], children[2:], strict=False):
            state = operator.type
            if operator.is_named or state not in COMPARISON_OPTIONS:
                continue
            kinds = {left.type, right.type}
            strict = kinds & _SEQUENCES or kinds & {"none", "true", "false"}
            labels = (EQUALITY_OPTIONS if strict else COMPARISON_OPTIONS).get(state, ())
            if self._text(right) == b"0" and self._counts(left):
                labels = tuple(x for x in labels if frozenset((x, state)) not in SAME_FOR_COUNTS)
            slot = (operator.start_byte, operator.end_byte)
            self._add(COMPARISON, slot, None, state, labels)
            if state in ("<", "<=", ">", ">="):
                if operator is children[1]:
                    self._offset(left)
                self._offset(right)
            elif len(children) > 3 and operator is not children[-2]:
                following = children[children.index(operator) + 2].type
                if following in ("<", "<=", ">", ">="):
                    self._offset(right)

    def _counts(self, node: Node) -> bool:
        """Whether the value is surely not negative, so that ``> 0`` means ``!= 0``."""
        text = self._text(node)
        return text.startswith(b"len(") or text.endswith(b".count()") or b"%" in text

    def _binary(self, node: Node, parent: Node) -> None:
        operator = node.child_by_field_name("operator")
        if operator is None or operator.type not in BINARY_OPTIONS or self._chain_has_text(node):
            return
        state = operator.type
        labels = BINARY_OPTIONS[state]
        if (found := _NEUTRAL.match(self.data, operator.end_byte)) is not None:
            same = ("+", "-") if found[1] == b"0" else ("*", "/", "//", "**")
            labels = tuple(x for x in labels if not (x in same and state in same))
        self._add(BINARY, (operator.start_byte, operator.end_byte), None, state, labels)

    def _chain_has_text(self, node: Node) -> bool:
        """Whether the whole unbracketed arithmetic around ``node`` has an operand that is text or
        another sequence: there operators are not interchangeable.
        """
        known = self._chains.get(node.id)
        if known is not None:
            return known
        top = node
        while (above := top.parent) is not None and above.type in _ARITHMETIC_NODES:
            top = above
        found, chain, todo = False, [], [top]
        while todo:
            part = todo.pop()
            if part.type in _ARITHMETIC_NODES:
                chain.append(part.id)
                todo.extend(part.named_children)
            else:
                found = found or self._sequence(part)
        self._chains.update(dict.fromkeys(chain, found))
        return found

    def _sequence(self, node: Node) -> bool:
        if node.type == "call":
            function = node.child_by_field_name("function")
            if function is not None and function.type == "attribute":
                leaf = function.child_by_field_name("attribute")
                return leaf is not None and self._text(leaf) in _SEQUENCE_METHODS
            return function is not None and self._text(function) in _SEQUENCE_FUNCTIONS
        return node.type in _SEQUENCES

    def _boolean(self, node: Node, parent: Node) -> None:
        operator = node.child_by_field_name("operator")
        if operator is not None:
            state = operator.type
            slot = (operator.start_byte, operator.end_byte)
            self._add(BOOLEAN, slot, None, state, ("or" if state == "and" else "and",))
        for side in ("left", "right"):
            self._condition(node.child_by_field_name(side))

    def _condition(self, node: Node | None) -> None:
        if node is None:
            return
        if node.type in _PRIMARY:
            self._add(NEGATION, (node.start_byte, node.start_byte), node, "", ("not",))
        elif node.type == "not_operator":
            argument = node.child_by_field_name("argument")
            if argument is not None and argument.type in _PRIMARY:
                slot = (node.start_byte, node.start_byte + 3)
                self._add(NEGATION, slot, None, "not", ("",))

    def _conditional(self, node: Node, parent: Node) -> None:
        self._condition(node.child_by_field_name("condition"))

    def _first(self, node: Node, parent: Node) -> None:
        self._condition(next((c for c in node.named_children if c.type != "comment"), None))

    def _ternary(self, node: Node, parent: Node) -> None:
        parts = [child for child in node.named_children if child.type != "comment"]
        if len(parts) == 3:
            self._condition(parts[1])

    def _assignment(self, node: Node, parent: Node) -> None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if (
            left is None
            or right is None
            or left.type not in ("identifier", "attribute", "subscript")
            or right.type in _NEVER_AUGMENTED
            or node.child_by_field_name("type") is not None
            or parent.type != "expression_statement"
        ):
            return
        operator = node.child_by_field_name("operator") or left.next_sibling
        if operator is None or operator.type not in AUGMENTED_OPTIONS:
            return
        state = operator.type
        labels = (APPENDING_OPTIONS if self._sequence(right) else AUGMENTED_OPTIONS).get(state, ())
        if not self._may_be_bound(left, right):
            if state == "=":
                return
            labels = tuple(label for label in labels if label != "=")
        self._add(AUGMENTED, (operator.start_byte, operator.end_byte), None, state, labels)

    def _may_be_bound(self, left: Node, right: Node) -> bool:
        """Whether the target of an assignment may have a value before it."""
        if left.type == "identifier":
            found = self.scopes.occurrence(left)
            if found is None:
                return False
            scope = self.scopes.scopes[found.scope]
            shared = found.name in scope.globals or found.name in scope.nonlocals
            return shared or scope.bound.get(found.name, 0) > 1
        if left.type == "attribute":  # `self.x = x` makes the attribute
            return not self._text(left).endswith(b"." + self._text(right))
        return True

    def _constant(self, node: Node, parent: Node) -> None:
        kind, above = node.type, parent.type
        if above == "expression_statement" or (
            above == "assignment" and parent.child_by_field_name("left") == node
        ):
            return
        state = {"true": "True", "false": "False", "none": "None"}[kind]
        if above in ("comparison_operator", "subscript", "slice"):
            labels: tuple[str, ...] = TRUTH_OPTIONS.get(state, ())
        else:
            labels = tuple(x for x in ("True", "False", "None") if x != state)
        self._add(CONSTANT, (node.start_byte, node.end_byte), None, state, labels)

    def _signed(self, node: Node) -> bool:
        """Whether a unary operator and its operand are one literal, like ``-1``."""
        argument = node.child_by_field_name("argument")
        if argument is None or argument.type != "integer":
            return False
        return self.data[node.start_byte : argument.start_byte].rstrip(b" ") == b"-"

    def _unary(self, node: Node, parent: Node) -> None:
        argument = node.child_by_field_name("argument")
        if argument is not None and self._signed(node) and self._text(argument) != b"0":
            self._number(node, argument, parent, -1)

    def _integer(self, node: Node, parent: Node) -> None:
        self._number(node, node, parent, 1)

    def _number(self, whole: Node, digits: Node, parent: Node, sign: int) -> None:
        text = self._text(digits)
        if parent.type in ("unary_operator", "attribute") or not _DECIMAL.match(text):
            return
        value = sign * int(text)
        if abs(value) > MAX_INTEGER:
            return
        start, end = whole.start_byte, whole.end_byte
        in_arithmetic = (
            _AFTER_ARITHMETIC.search(self.data[max(start - 8, 0) : start]) is not None
            or _BEFORE_SUM.match(self.data, end) is not None
        )
        is_base = self.data[end : end + 4].lstrip().startswith(b"**")  # -1 ** 2 is -(1 ** 2)
        changes = (("increment", value + 1), ("decrement", value - 1))
        if (in_arithmetic and value == 0) or (is_base and value <= 0):
            return
        labels = [
            label
            for label, new in changes
            if abs(new) <= MAX_INTEGER
            and not (in_arithmetic and new == 0)
            and not (is_base and new < 0)
        ]
        self._add(INTEGER, (start, end), None, "", labels)

    def _subscript(self, node: Node, parent: Node) -> None:
        indices = node.children_by_field_name("subscript")
        if len(indices) == 1:
            self._offset(indices[0])

    def _slice(self, node: Node, parent: Node) -> None:
        for bound in node.named_children:
            self._offset(bound)

    def _offset(self, node: Node) -> None:
        """A place where ``+ 1`` or ``- 1`` may be missing or too much."""
        if node.type == "binary_operator":
            operator, right = (
                node.child_by_field_name("operator"),
                node.child_by_field_name("right"),
            )
            left = node.child_by_field_name("left")
            if operator is None or right is None or left is None or self._chain_has_text(node):
                return
            if operator.type in ("+", "-") and self._text(right) == b"1":
                gaps = (
                    self.data[left.end_byte : operator.start_byte]
                    + (self.data[operator.end_byte : right.start_byte])
                )
                if self._takes_offset(left) and _BLANK.match(gaps):
                    slot = (operator.start_byte, right.end_byte)
                    self._add(OFFSET, slot, None, operator.type + " 1", ("",))
                return
        if self._takes_offset(node):
            slot = (node.end_byte, node.end_byte)
            self._add(OFFSET, slot, node, "", ("+ 1", "- 1"))

    def _takes_offset(self, node: Node) -> bool:
        if node.type == "binary_operator":
            operator, right = (
                node.child_by_field_name("operator"),
                node.child_by_field_name("right"),
            )
            if operator is None or right is None or operator.type not in ARITHMETIC:
                return False
            return not (operator.type in ("+", "-") and self._text(right) == b"1")
        if node.type == "identifier":
            text = self._text(node)
            return not (text[:1].isupper() and not text.isupper())  # a class: Dict[Key]
        return node.type in _PRIMARY and not self._sequence(node)

    def _call(self, node: Node, parent: Node) -> None:
        function, arguments = (node.child_by_field_name(f) for f in ("function", "arguments"))
        if function is None or arguments is None or arguments.type != "argument_list":
            return
        name = _LAST_WORD.search(self._text(function)[-64:])
        items = [child for child in arguments.named_children if child.type != "comment"]
        if name is not None and name[1] == b"range" and function.type == "identifier":
            for item in items:
                self._offset(item)
        if len(items) < 2 or (name is not None and _COMMUTATIVE.match(name[1])):
            return
        for first, second in pairwise(items):
            if first.type in _NOT_POSITIONAL or second.type in _NOT_POSITIONAL:
                continue
            one, two = self._text(first), self._text(second)
            if one != two and len(one) <= MAX_ARGUMENT and len(two) <= MAX_ARGUMENT:
                self._add(SWAP, (first.start_byte, second.end_byte), None, "", ("swapped",))


_NOT_POSITIONAL = frozenset({
    "keyword_argument", "list_splat", "dictionary_splat", "parenthesized_list_splat", "ERROR",
})  # fmt: skip
_ARITHMETIC_NODES = frozenset({"binary_operator", "unary_operator"})
_HANDLERS: dict[str, Callable[[_Finder, Node, Node], None]] = {
    "comparison_operator": _Finder._comparison,
    "binary_operator": _Finder._binary,
    "boolean_operator": _Finder._boolean,
    "if_statement": _Finder._conditional,
    "elif_clause": _Finder._conditional,
    "while_statement": _Finder._conditional,
    "assert_statement": _Finder._first,
    "return_statement": _Finder._first,
    "if_clause": _Finder._first,
    "conditional_expression": _Finder._ternary,
    "assignment": _Finder._assignment,
    "augmented_assignment": _Finder._assignment,
    "true": _Finder._constant,
    "false": _Finder._constant,
    "none": _Finder._constant,
    "unary_operator": _Finder._unary,
    "integer": _Finder._integer,
    "subscript": _Finder._subscript,
    "slice": _Finder._slice,
    "call": _Finder._call,
}
