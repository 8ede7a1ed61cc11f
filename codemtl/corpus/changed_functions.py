"""Which function a commit changed, given two versions of a file: the only one, or a reason.

Text that is equal is never looked into, so the work grows with the change, not with the file.
"""

from __future__ import annotations

from tree_sitter import Node

from codemtl.corpus.examples import MAX_LINES
from codemtl.corpus.hashing import function_tokens
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.lexical import LexicalToken, docstring_node
from codemtl.syntax.tree import SourceTree

Pair = tuple[Definition, Definition]  # one function in both versions


class Version:
    """A file before or after a commit; the tokens of its nodes are computed once."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree
        self.functions = functions(tree)
        self._tokens: dict[int, list[LexicalToken]] = {}

    def tokens(self, node: Node) -> list[LexicalToken]:
        """The tokens of a node of the tree, without comments and docstrings."""
        found = self._tokens.get(node.id)
        if found is None:
            found = self._tokens[node.id] = function_tokens(self.tree, node)
        return found

    def source(self, node: Node) -> bytes:
        """The text of a node."""
        return self.tree.data[node.start_byte : node.end_byte]

    def texts_without(self, node: Node, inner: Node) -> list[str]:
        """The token texts of a node but for those of a node inside it."""
        start, end = inner.start_byte, inner.end_byte
        return [token.text for token in self.tokens(node) if not start <= token.start < end]

    def statements(self) -> list[Node]:
        """The statements of the module, without its docstring."""
        docstring = docstring_node(self.tree.root)
        return [
            node
            for node in self.tree.root.named_children
            if node.type != "comment" and (docstring is None or node.id != docstring.id)
        ]


def changed_function(before: Version, after: Version) -> Pair | str:
    """The innermost function that holds all changes of tokens, in both versions; or a reason."""
    names = [[found.qualname for found in version.functions] for version in (before, after)]
    if names[0] != names[1]:
        return "adds or removes a function"
    pairs = list(zip(before.functions, after.functions, strict=True))
    changed = _changed(before, after, pairs)
    if len(changed) > 1:
        return "several functions"
    if not changed or not _same_outside(before, after, changed[0]):
        return "outside functions"
    pair = changed[0]
    if pair[0].node.has_error or pair[1].node.has_error:
        return "syntax"
    rows = (one.node.end_point.row - one.node.start_point.row for one in pair)
    if max(rows) >= MAX_LINES:
        return "long function"
    while True:  # step into a nested function that holds the whole change
        old, new = pair
        changed = _changed(before, after, [
            (a, b) for a, b in pairs if _holds(old.node, a.node) and _holds(new.node, b.node)
        ])  # fmt: skip
        if len(changed) != 1:
            return pair
        inner = changed[0]
        rest = before.texts_without(old.node, inner[0].node)
        if rest != after.texts_without(new.node, inner[1].node):
            return pair
        pair = inner


def _changed(before: Version, after: Version, pairs: list[Pair]) -> list[Pair]:
    """The outermost of these functions whose tokens differ."""
    changed = []
    inside = -1  # end of the outermost function that was compared
    for old, new in pairs:
        if old.node.start_byte < inside:
            continue
        inside = old.node.end_byte
        if not _same_tokens(before, old.node, after, new.node):
            changed.append((old, new))
    return changed


def _same_outside(before: Version, after: Version, pair: Pair) -> bool:
    """Whether two versions of a file have the same tokens outside a function."""
    old, new = pair[0].node, pair[1].node
    one, two = before.statements(), after.statements()
    if len(one) != len(two):
        return False
    for a, b in zip(one, two, strict=True):
        if a.id == old.id:
            continue
        if not _holds(a, old):
            if not _same_tokens(before, a, after, b):
                return False
            continue
        rest = [
            (version.tree.data[node.start_byte : inner.start_byte],
             version.tree.data[inner.end_byte : node.end_byte])
            for version, node, inner in ((before, a, old), (after, b, new))
        ]  # fmt: skip
        if rest[0] != rest[1] and before.texts_without(a, old) != after.texts_without(b, new):
            return False
    return True


def _same_tokens(before: Version, old: Node, after: Version, new: Node) -> bool:
    if before.source(old) == after.source(new):
        return True
    one, two = before.tokens(old), after.tokens(new)
    return len(one) == len(two) and all(a.text == b.text for a, b in zip(one, two, strict=True))


def _holds(outer: Node, inner: Node) -> bool:
    return (
        outer.start_byte <= inner.start_byte
        and inner.end_byte <= outer.end_byte
        and outer.id != inner.id
    )
