"""How two versions of a function differ by tokens, and whether the difference can be a repair.

Turned down are changes that a message may well call a fix but that repair no logic: the wording of
messages, logging, annotations, names changed throughout, another signature, imports, brackets.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from tree_sitter import Node

from codemtl.corpus.decoding import parsed
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import common_prefix
from codemtl.syntax.lexical import LexicalToken
from codemtl.syntax.tree import SourceTree

MAX_TOKENS = 60  # removed and added
_LOGGING = frozenset({
    "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print", "pprint",
    "set_trace", "breakpoint", "fatal", "vlog", "deprecated",
})  # fmt: skip
_SPEAKING = frozenset({"help", "description", "message", "msg", "label", "title", "verbose_name"})
_WORDS = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}\W+[^\W\d_]{2,}")
_LAST_NAME = re.compile(rb"(\w+)\s*\Z")
_IMPORTS = frozenset({"import_statement", "import_from_statement", "future_import_statement"})
_ANNOTATION = frozenset({"type"})
_LAYOUT = frozenset({"(", ")", "[", "]", ",", ";", "string_start", "string_end"})


@dataclass(frozen=True)
class TokenChange:
    """Two versions of a function, their tokens, and where these differ."""

    old_tree: SourceTree
    new_tree: SourceTree
    old_definition: Definition
    new_definition: Definition
    before: list[LexicalToken]
    after: list[LexicalToken]
    spans: list[tuple[int, int, int, int]]  # tokens of ``before`` and those in their place

    @property
    def removed(self) -> list[LexicalToken]:
        """The tokens of ``before`` that are gone or replaced."""
        return [token for a, b, _, _ in self.spans for token in self.before[a:b]]

    @property
    def added(self) -> list[LexicalToken]:
        """The tokens of ``after`` that are new."""
        return [token for _, _, c, d in self.spans for token in self.after[c:d]]


def compare(
    old_tree: SourceTree,
    old: Definition,
    before: list[LexicalToken],
    new_tree: SourceTree,
    new: Definition,
    after: list[LexicalToken],
) -> TokenChange:
    """Line up the tokens of two versions of a function."""
    one, two = [token.text for token in before], [token.text for token in after]
    head = common_prefix(one, two)
    tail = common_prefix(one[head:][::-1], two[head:][::-1])
    matcher = SequenceMatcher(
        None, one[head : len(one) - tail], two[head : len(two) - tail], autojunk=False
    )
    spans = [
        (a + head, b + head, c + head, d + head)
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]
    return TokenChange(old_tree, new_tree, old, new, before, after, spans)


def unfit(change: TokenChange) -> str | None:
    """Why a change is no repair of logic, or None."""
    removed, added = change.removed, change.added
    if not removed and not added:
        return "no change of code"
    if len(removed) + len(added) > MAX_TOKENS:
        return "too large"
    if _parameter_names(change.old_definition) != _parameter_names(change.new_definition):
        return "signature"
    if _is_renaming(change):
        return "renaming"
    nodes = [*_leaves(change.old_tree, removed), *_leaves(change.new_tree, added)]
    if any(_within(node, _ANNOTATION) for node in nodes) and (
        _without_annotations(change.old_tree, change.before)
        == _without_annotations(change.new_tree, change.after)
    ):
        return "annotations"
    if all(_within(node, _IMPORTS) is not None for node in nodes):
        return "imports"
    if all(_is_logging(node) for node in nodes):
        return "logging"
    if all(_is_text(node) for node in nodes) and any(_is_message(node) for node in nodes):
        return "message"
    one = _module(change.old_tree, change.old_definition.node)
    two = _module(change.new_tree, change.new_definition.node)
    if one is None or two is None:
        return "syntax"
    return "layout" if all(map(_is_layout, nodes)) and _dump(one) == _dump(two) else None


def _leaves(tree: SourceTree, tokens: list[LexicalToken]) -> Iterator[Node]:
    """The innermost node of each token that is no line break."""
    for token in tokens:
        if token.end > token.start:
            found = tree.root.descendant_for_byte_range(token.start, token.end)
            if found is not None:
                yield found


def _within(node: Node, types: frozenset[str]) -> Node | None:
    """The innermost node of these types at or around a node, inside its function."""
    found: Node | None = node
    while found is not None and found.type not in types:
        found = None if found.type == "function_definition" else found.parent
    return found


def _parameter_names(definition: Definition) -> list[str]:
    parameters = definition.node.child_by_field_name("parameters")
    children = parameters.named_children if parameters is not None else []
    return [_first_identifier(node) for node in children if node.type != "comment"]


def _first_identifier(node: Node) -> str:
    while node.named_children and node.type != "identifier":
        node = node.child_by_field_name("name") or node.named_children[0]
    return (node.text or b"").decode("utf-8", "replace")


def _is_renaming(change: TokenChange) -> bool:
    """Whether names are replaced by new ones wherever they stood."""
    renamed: dict[str, str] = {}
    count = 0
    for a, b, c, d in change.spans:
        if b - a != d - c:
            return False
        for old, new in zip(change.before[a:b], change.after[c:d], strict=True):
            if not (old.is_name and new.is_name):
                return False
            if renamed.setdefault(old.text, new.text) != new.text:
                return False
            count += 1
    left = {token.text for token in change.after}
    known = {token.text for token in change.before}
    return count > 1 and not left & renamed.keys() and not known & set(renamed.values())


def _without_annotations(tree: SourceTree, tokens: list[LexicalToken]) -> list[str]:
    inside = [_in_annotation(tree, token) for token in tokens]
    kept: list[str] = []
    for token, skip in zip(tokens, inside, strict=True):
        if not skip:
            kept.append(token.text)
        elif kept and kept[-1] in (":", "->"):
            kept.pop()
    return kept


def _in_annotation(tree: SourceTree, token: LexicalToken) -> bool:
    if token.end == token.start:
        return False
    node = tree.root.descendant_for_byte_range(token.start, token.end)
    return node is not None and _within(node, _ANNOTATION) is not None


def _is_logging(node: Node) -> bool:
    """Whether a node belongs to a statement that only logs or prints."""
    statement = _within(node, frozenset({"expression_statement", "print_statement"}))
    if statement is None or statement.type == "print_statement":
        return statement is not None
    call = statement.named_children[0] if statement.named_children else None
    if call is not None and call.type == "await":
        call = call.named_children[0]
    return call is not None and call.type == "call" and _callee(call) in _LOGGING


def _callee(call: Node) -> str:
    function = call.child_by_field_name("function")
    found = _LAST_NAME.search(function.text or b"") if function is not None else None
    return found[1].decode("utf-8", "replace") if found is not None else ""


def _is_text(node: Node) -> bool:
    """Whether a leaf is part of a string's text, not of an expression inside it."""
    around = _within(node, frozenset({"string", "interpolation"}))
    return around is not None and around.type == "string"


def _is_message(node: Node) -> bool:
    """Whether a string's text is written for people."""
    text = (node.text or b"").decode("utf-8", "replace")
    if _WORDS.search(text) or _within(node, frozenset({"raise_statement", "assert_statement"})):
        return True
    keyword = _within(node, frozenset({"keyword_argument"}))
    if keyword is not None:
        name = keyword.child_by_field_name("name")
        return name is not None and (name.text or b"").decode("utf-8", "replace") in _SPEAKING
    return _is_logging(node)


def _is_layout(node: Node) -> bool:
    """Whether a leaf is of those that may come and go without effect."""
    return node.type in _LAYOUT or _is_text(node)


def _module(tree: SourceTree, node: Node) -> ast.Module | None:
    """A function as Python itself parses it, or None where it does not."""
    start = tree.data.rfind(b"\n", 0, node.start_byte) + 1
    indentation = tree.data[start : node.start_byte]
    source = tree.data[node.start_byte : node.end_byte]
    if indentation and not indentation.strip():
        source = b"if 1:\n" + indentation + source
    return parsed(source)


def _dump(found: ast.Module) -> str:
    """Equal for functions that differ in brackets, commas and quotes only, or in docstrings."""
    for inner in ast.walk(found):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = inner.body[0]
            if ast.get_docstring(inner, clean=False) is not None and isinstance(first, ast.Expr):
                first.value = ast.Constant("")
        elif isinstance(inner, ast.Constant):
            inner.kind = None
    return ast.dump(found)
