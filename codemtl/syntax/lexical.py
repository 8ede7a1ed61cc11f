r"""The model's view of source: lexical tokens without comments, docstrings or spacing.

Example, for ``def f(x):\n    # why\n    return x + 1``:

    def f ( x ) :  ⏎+4  return x + 1

Spacing inside a logical line carries no meaning in Python, so it is dropped here and kept only as
the flag ``space_before``; the indentation of each logical line is normalised to four spaces a
level relative to the outermost line. Every token keeps its byte span in the file, so whatever the
model says about a token can be turned into an edit of the user's bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from tree_sitter import Node

from codemtl.syntax.tree import DEFINITION_TYPES, SourceTree

INDENT = "    "


class LexicalToken(NamedTuple):
    r"""One token of the view. Newline tokens have ``text`` of ``"\n"`` + indentation."""

    text: str
    start: int  # byte offset in the file
    end: int  # byte offset, exclusive; equals start for newline tokens
    space_before: bool
    is_name: bool  # an identifier of the grammar (not a keyword)


def docstring_node(definition: Node) -> Node | None:
    """The statement that holds the docstring of a function, class or module, if there is one."""
    body = definition if definition.type == "module" else definition.child_by_field_name("body")
    if body is None:
        return None
    for child in body.named_children:
        if child.type == "comment":
            continue
        if child.type != "expression_statement" or child.named_child_count != 1:
            return None
        inner = child.named_children[0]
        while inner.type == "parenthesized_expression" and inner.named_child_count == 1:
            inner = inner.named_children[0]
        return child if _is_plain_text(inner) else None
    return None


def _is_plain_text(node: Node) -> bool:
    """Whether an expression is a text that Python would keep: no bytes, nothing formatted in."""
    if node.type == "concatenated_string":
        return all(_is_plain_text(one) for one in node.named_children if one.type != "comment")
    if node.type != "string":
        return False
    begins = node.children[0].text or b""
    return not set(begins.lower()) & set(b"bft")


def lexical_tokens(tree: SourceTree, node: Node) -> list[LexicalToken]:
    """The view of ``node`` (usually a function): leaves in order, newline tokens between lines.

    The docstrings of ``node`` and of definitions inside it are left out, as are comments and line
    continuations. Newline tokens stand before each logical line but the first.
    """
    data = tree.data
    out: list[LexicalToken] = []
    depth = 0  # blocks around the current token
    line_break = False  # the next token starts a logical line
    previous_end = node.start_byte
    docstrings = {found.id for found in [docstring_node(node)] if found is not None}
    cursor = node.walk()
    while True:
        current = cursor.node
        assert current is not None
        kind = current.type
        if kind in _LINES and out:
            line_break = True
        if kind in DEFINITION_TYPES:
            found = docstring_node(current)
            if found is not None:
                docstrings.add(found.id)
        if kind not in _DROPPED and current.id not in docstrings:
            if kind not in _WHOLE and cursor.goto_first_child():
                depth += kind == "block"
                continue
            start, end = current.start_byte, current.end_byte
            if end > start:
                if line_break:
                    newline = "\n" + INDENT * depth
                    out.append(LexicalToken(newline, start, start, False, False))
                spaced = start > previous_end and not line_break
                text = data[start:end].decode("utf-8", "replace")
                out.append(LexicalToken(text, start, end, spaced, kind == "identifier"))
                previous_end = end
                line_break = False
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return out
            parent = cursor.node
            depth -= parent is not None and parent.type == "block"


_DROPPED = frozenset({"comment", "line_continuation", ";"})
_WHOLE = frozenset({"string_content", "format_specifier"})  # text stands between their children
_LINES = frozenset({
    "assert_statement", "break_statement", "class_definition", "continue_statement",
    "decorated_definition", "delete_statement", "elif_clause", "else_clause", "except_clause",
    "exec_statement", "expression_statement", "finally_clause", "for_statement",
    "function_definition", "future_import_statement", "global_statement", "if_statement",
    "import_from_statement", "import_statement", "match_statement", "nonlocal_statement",
    "pass_statement", "print_statement", "raise_statement", "return_statement", "try_statement",
    "type_alias_statement", "while_statement", "with_statement", "case_clause", "decorator",
})  # fmt: skip


def logical_lines(tree: SourceTree, node: Node) -> list[str]:
    """The text of each logical line of ``node``, on one line and without indentation."""
    texts = [""]
    for token in lexical_tokens(tree, node):
        if token.text.startswith("\n"):
            texts.append("")
        elif token.end > token.start:
            texts[-1] += " " * token.space_before + token.text
    return [text.strip() for text in texts]


def line_around(tree: SourceTree, offset: int) -> tuple[int, int] | None:
    """Where the logical line that an offset lies in begins and ends; None on a comment."""
    start = end = -1
    for token in lexical_tokens(tree, tree.root):
        if token.start < token.end:
            start, end = token.start if start < 0 else start, token.end
        elif start <= offset < end:
            break
        else:
            start = -1
    return (start, end) if 0 <= start <= offset < end else None
