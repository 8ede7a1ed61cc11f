"""What codemtl reports about a place in a file, and the comments by which a user says no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tree_sitter import Query

from codemtl.syntax.imports import Import
from codemtl.syntax.positions import Positions
from codemtl.syntax.tree import SourceTree, captures, language

KINDS: tuple[str, ...] = (
    "variable-misuse",
    "attribute-misuse",
    "undefined-name",
    "comparison",
    "binary-operator",
    "boolean-operator",
    "augmented-assignment",
    "negation",
    "literal",
    "off-by-one",
    "argument-swap",
    "call-misuse",
    "missing-statement",
    "excess-statement",
    "rewrite",
)
_COMMENT = re.compile(r"#\s*codemtl:\s*ignore\b(?:\s*\[(?P<kinds>[^\]]*)\])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """A probable bug: the bytes from ``start`` to ``end`` should read ``replacement``.

    Where an import is missing they are right as they stand, so that ``replacement`` repeats them.
    """

    function: str | None  # qualified name of the function around it
    kind: str  # one of KINDS
    start: int  # byte offset
    end: int  # byte offset, exclusive
    original: str
    replacement: str
    confidence: float  # calibrated probability that the finding is right, 0 to 1
    message: str
    validated: bool | None = None  # by the user's tests; None if they were not run
    missing: Import | None = None  # what the file should import


def suppressions(tree: SourceTree) -> dict[int, frozenset[str] | None]:
    """Lines (from 1) with ``# codemtl: ignore``: None for all kinds, or the kinds in brackets.

    Two comments cannot share a line; an empty pair of brackets ignores nothing.
    """
    if b"codemtl" not in tree.data:
        return {}
    positions = Positions(tree.data)
    found: dict[int, frozenset[str] | None] = {}
    for node in captures(_query(), tree.root).get("comment", []):
        match = _COMMENT.search(tree.text(node))
        if match is None:
            continue
        kinds = match["kinds"]
        line = positions.line_column(node.start_byte)[0]
        found[line] = None if kinds is None else frozenset(re.findall(r"[\w-]+", kinds.lower()))
    return found


def is_suppressed(
    kind: str, start: int, end: int, suppressed: Mapping[int, frozenset[str] | None],
    positions: Positions,
) -> bool:  # fmt: skip
    """Whether a line of an edit has a comment that ignores its kind; see ``suppressions``."""
    if not suppressed:
        return False
    first, last = positions.line_column(start)[0], positions.line_column(end)[0]
    found = [suppressed.get(line, frozenset()) for line in range(first, last + 1)]
    return any(kinds is None or kind in kinds for kinds in found)


@cache
def _query() -> Query:
    return Query(language(), "(comment) @comment")
