"""Bugs made of fixes that change a function in several places: all of one is done but one change.

Example: a fix turns ``masks`` into ``masks_nan`` in two lines and computes ``masks_nan`` above. The
function after the fix, with ``masks`` back in one of the two, is a bug as it comes about when a
place is forgotten, and one edit repairs it. For training only, as nobody committed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from codemtl.corpus.changed_functions import Version
from codemtl.corpus.consequences import is_large
from codemtl.corpus.fixes import SILENT_KINDS
from codemtl.corpus.single_edits import is_plausible, single_edit
from codemtl.corpus.token_changes import TokenChange, compare
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import parse, reparse

MAX_CHANGES = 12  # of a fix: more is a new function
MAX_SAME = 2  # changes of a fix that are the same: more is a renaming


class FixPart(NamedTuple):
    """A file with one change of a fix missing, and the edit that makes it. Spans are bytes."""

    file: str
    start: int  # of the function
    end: int
    kind: str
    edit: Edit


def fix_parts(file: str, start: int, before: str, after: str) -> Iterator[FixPart]:
    """One bug for each change of a fix that is an edit of ours, in the order of the function.

    ``file`` is the text before the fix; the function at byte ``start`` is ``before`` and becomes
    ``after``. Undefined names are none, and neither are literals, as among silent fixes.
    """
    old = Version(parse(file.encode()))
    fixed = apply(old.tree.data, [Edit(start, start + len(before.encode()), after)])
    new = Version(reparse(old.tree, fixed))
    one, two = _function(old, start), _function(new, start)
    if one is None or two is None:
        return
    change = _compare(old, one, new, two)
    if not 1 < len(change.spans) <= MAX_CHANGES:
        return
    single = [replace(change, spans=[span]) for span in change.spans if span[2]]  # not "async"
    same = Counter(map(_texts, single))
    for part in single:
        if same[_texts(part)] <= MAX_SAME and is_plausible(part) and not _is_setting(part):
            yield from _bug(part, new, two)


def _bug(part: TokenChange, new: Version, fixed: Definition) -> Iterator[FixPart]:
    """The function after the fix without one part of it, if it is one edit from there."""
    data = apply(new.tree.data, [_taken_back(part)])
    bad = Version(reparse(new.tree, data))
    definition = _function(bad, fixed.node.start_byte)
    if definition is None or definition.qualname != fixed.qualname:
        return
    found = single_edit(_compare(bad, definition, new, fixed))
    if found is None or found[0] not in SILENT_KINDS - {UNDEFINED}:
        return
    node = definition.node
    yield FixPart(data.decode(), node.start_byte, node.end_byte, *found)


def _taken_back(part: TokenChange) -> Edit:
    """The edit of the text after the fix that undoes one change of tokens."""
    ((a, b, c, d),) = part.spans
    old = part.old_tree.data
    if a < b and c < d:
        text = old[part.before[a].start : part.before[b - 1].end]
        return Edit(part.after[c].start, part.after[d - 1].end, text.decode())
    place = part.after[c - 1].end
    if c < d:  # with the space before it
        return Edit(place, part.after[d - 1].end, "")
    return Edit(place, place, old[part.before[a - 1].end : part.before[b - 1].end].decode())


def _function(version: Version, start: int) -> Definition | None:
    """The function that starts at a byte, if the parser makes sense of it."""
    found = (one for one in version.functions if one.node.start_byte == start)
    return next((one for one in found if not one.node.has_error), None)


def _compare(old: Version, one: Definition, new: Version, two: Definition) -> TokenChange:
    before, after = old.tokens(one.node), new.tokens(two.node)
    return compare(old.tree, one, before, new.tree, two, after)


def _texts(part: TokenChange) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(token.text for token in part.removed), tuple(token.text for token in part.added)


def _is_setting(part: TokenChange) -> bool:
    """Whether a change is about large numbers, or how private a name is: no repair by itself."""
    removed, added = _texts(part)
    if any(map(is_large, (*removed, *added))):
        return True
    return [text.strip("_") for text in removed] == [text.strip("_") for text in added]
