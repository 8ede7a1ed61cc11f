r"""One file's text to the rows that the tasks learn from.

Example: ``def f(x):\n    "Add one."\n    return x + 1`` gives a function row whose docstring span
is known (the pair for summarize) and whose line ``return x + 1`` may be masked (generate).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cache

from tree_sitter import Node, Query

from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.hashing import function_tokens, token_hash
from codemtl.corpus.near_duplicates import runs, signature
from codemtl.syntax import docstrings
from codemtl.syntax.context import FileFacts
from codemtl.syntax.definitions import Definition
from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.tree import SourceTree, captures, language, parse

MAX_LINES = 400  # a longer function is a table or a script in disguise
MIN_PAIR_TOKENS = 12  # below, the body says less than the name
MASK_CHARACTERS = (6, 160)

_SIMPLE = (
    "assert_statement", "delete_statement", "expression_statement", "raise_statement",
    "return_statement", "global_statement", "nonlocal_statement", "import_statement",
    "import_from_statement",
)  # fmt: skip
_COMPOUND = (
    "if_statement", "elif_clause", "for_statement", "while_statement", "with_statement",
    "except_clause",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """One function. Spans are byte offsets; ``cut`` and ``mask`` are relative to ``start``.

    ``cut`` is the docstring with its line, ``(0, 0)`` without one. ``mask`` is the line chosen for
    masking, without indentation, ``(0, 0)`` where no line is fit. ``signature`` is the MinHash
    signature, by which near-duplicates are found.
    """

    qualname: str
    start: int
    end: int
    context: list[str]
    docstring: str
    summary: str
    hash: int
    lines: int
    tokens: int
    cut: tuple[int, int]
    mask: tuple[int, int]
    signature: bytes


def function_rows(
    text: str, project: str, path: str, exclusions: Exclusions, seed: int, rejected: Counter[str]
) -> list[FunctionRow]:
    """The functions of a file in source order; what is left out is counted in ``rejected``."""
    tree = parse(text.encode())
    facts = FileFacts(tree)
    maskable = _maskable(tree)
    starts = [start for start, _ in maskable]
    rows = []
    for definition in facts.definitions:
        node = definition.node
        if definition.kind != "function":
            continue
        lines = node.end_point.row - node.start_point.row + 1
        if node.has_error or lines > MAX_LINES:
            rejected["error-node" if node.has_error else "long"] += 1
            continue
        texts = [token.text for token in function_tokens(tree, node)]
        reason = exclusions.reason(project, path, definition.name, texts)
        if reason is not None:
            rejected[reason] += 1
            continue
        within = maskable[bisect_left(starts, node.start_byte) : bisect_left(starts, node.end_byte)]
        rows.append(_row(tree, facts, definition, texts, within, seed))
    return rows


def _row(
    tree: SourceTree,
    facts: FileFacts,
    definition: Definition,
    texts: list[str],
    maskable: list[tuple[int, int]],
    seed: int,
) -> FunctionRow:
    node = definition.node
    start = node.start_byte
    found = docstring_node(node)
    documented = docstrings.literal_value(tree.text(found)) if found is not None else ""
    cut = _whole_line(tree.data, found) if found is not None else (start, start)
    alone = found is not None and (_is_whole_body(node) or _only_raises(node))
    digest = token_hash(texts)
    summary = docstrings.summary(documented)
    if alone or len(texts) < MIN_PAIR_TOKENS or found is None or cut[0] == cut[1]:
        summary = ""
    mask = (start, start)
    first = tree.data.find(b"\n", start) + 1  # the line of "def" itself is never masked
    fit = [span for span in maskable if span[0] >= first > 0 and not cut[0] <= span[0] < cut[1]]
    if fit and not (found is not None and cut[0] == cut[1]):
        mask = fit[(digest ^ seed) % len(fit)]
    return FunctionRow(
        definition.qualname,
        start,
        node.end_byte,
        facts.context(definition),
        documented,
        summary,
        digest,
        node.end_point.row - node.start_point.row + 1,
        len(texts),
        (cut[0] - start, cut[1] - start),
        (mask[0] - start, mask[1] - start),
        signature(runs(texts)).tobytes(),
    )


def _statements(node: Node) -> list[Node]:
    body = node.child_by_field_name("body")
    return [] if body is None else [one for one in body.named_children if one.type != "comment"]


def _is_whole_body(node: Node) -> bool:
    return len(_statements(node)) <= 1


def _only_raises(node: Node) -> bool:
    """A docstring and a raise: it tells what others do, not what stands here."""
    statements = _statements(node)
    return len(statements) == 2 and statements[1].type == "raise_statement"


def _whole_line(data: bytes, node: Node) -> tuple[int, int]:
    """Span of a statement with its indentation and line break; empty if it shares its line."""
    start = data.rfind(b"\n", 0, node.start_byte) + 1
    end = data.find(b"\n", node.end_byte) + 1 or len(data)
    if data[start : node.start_byte].strip() or data[node.end_byte : end].strip():
        return node.start_byte, node.start_byte
    return start, end


def _maskable(tree: SourceTree) -> list[tuple[int, int]]:
    """Spans of statements, or of headers of compound ones, that have a line to themselves."""
    data = tree.data
    spans = []
    found = captures(_query(), tree.root)
    nodes = [(node, node.end_byte) for node in found.get("simple", [])]
    for node in found.get("compound", []):
        body = next((one for one in node.children if one.type == "block"), None)
        if body is not None:
            end = data.rfind(b":", node.start_byte, body.start_byte) + 1
            nodes.append((node, end))
    for node, end in nodes:
        start = node.start_byte
        line_start = data.rfind(b"\n", 0, start) + 1
        line_end = data.find(b"\n", end)
        after = data[end : line_end if line_end >= 0 else len(data)]
        if b"\n" in data[start:end] or data[line_start:start].strip() or after.strip():
            continue
        if node.type == "expression_statement" and node.named_children[0].type == "string":
            continue
        if MASK_CHARACTERS[0] <= end - start <= MASK_CHARACTERS[1]:
            spans.append((start, end))
    return sorted(spans)


def without_docstring(source: bytes, cut: tuple[int, int]) -> bytes:
    """A function's source with the docstring's lines taken out."""
    return source[: cut[0]] + source[cut[1] :]


def masked_line(
    source: bytes, cut: tuple[int, int], mask: tuple[int, int]
) -> tuple[int, bytes, bytes, bytes]:
    """(line index, prefix, target, suffix): together the source without its docstring."""
    prefix = without_docstring(source[: mask[0]], cut)
    return prefix.count(b"\n"), prefix, source[mask[0] : mask[1]], source[mask[1] :]


@cache
def _query() -> Query:
    simple = " ".join(f"({kind}) @simple" for kind in _SIMPLE)
    compound = " ".join(f"({kind}) @compound" for kind in _COMPOUND)
    return Query(language(), f"{simple} {compound}")
