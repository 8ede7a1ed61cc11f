"""What a right finding is: the spans that a fix changes, and the function after it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import same_code

REWRITE = "rewrite"  # the kind of a fix that no single edit of ours expresses


class Verdict(NamedTuple):
    """How an edit compares with the fix."""

    located: bool = False  # it overlaps a place that the fix changes
    right: bool = False  # it leaves the function as the fix does, up to whitespace


@dataclass(frozen=True, slots=True)
class Truth:
    """The bug of one function. Offsets are bytes of the file with the bug."""

    kind: str
    start: int  # of the function
    end: int
    spans: tuple[tuple[int, int], ...]  # what the fix changes, in order; empty for insertions
    after: str  # the function's source after the fix


def truth_of_edit(data: bytes, start: int, end: int, fix: Edit, kind: str) -> Truth:
    """The bug that one edit of the function at ``start`` to ``end`` repairs."""
    inside = Edit(fix.start - start, fix.end - start, fix.replacement)
    after = apply(data[start:end], [inside]).decode("utf-8", "replace")
    return Truth(kind, start, end, ((fix.start, fix.end),), after)


def truth_of_rewrite(data: bytes, start: int, end: int, after: str) -> Truth:
    """The bug of a function that reads ``after`` once it is fixed."""
    spans = tuple((start + low, start + high) for low, high in changed(data[start:end], after))
    return Truth(REWRITE, start, end, spans, after)


def changed(before: bytes, after: str) -> list[tuple[int, int]]:
    """The spans of ``before`` whose lexical tokens a rewrite replaces, deletes or inserts at."""
    old, new = (parse(text) for text in (before, after.encode("utf-8", "replace")))
    tokens = [one for one in lexical_tokens(old, old.root) if one.end > one.start]
    texts = [one.text for one in tokens]
    target = [one.text for one in lexical_tokens(new, new.root) if one.end > one.start]
    spans = []
    for tag, low, high, _, _ in SequenceMatcher(None, texts, target, False).get_opcodes():
        if tag == "equal":
            continue
        if low < high:
            spans.append((tokens[low].start, tokens[high - 1].end))
        else:
            place = tokens[low - 1].end if low else 0
            spans.append((place, place))
    return spans


def judge(data: bytes, edit: Edit, truth: Truth | None) -> Verdict:
    """Compare an edit of ``data`` with the fix; None for a function without a bug.

    An insertion of a rewrite is located by whatever touches its place; one that a single edit of
    ours makes is located only by an edit of that very place, as another site stands beside it.
    """
    if truth is None or not truth.start <= edit.start <= edit.end <= truth.end:
        return Verdict()
    inside = Edit(edit.start - truth.start, edit.end - truth.start, edit.replacement)
    made = apply(data[truth.start : truth.end], [inside]).decode("utf-8", "replace")
    if same_code(made, truth.after):
        return Verdict(True, True)
    return Verdict(any(_overlap(edit, *span, truth.kind) for span in truth.spans), False)


def _overlap(edit: Edit, start: int, end: int, kind: str) -> bool:
    if start == end and kind == REWRITE:
        return edit.start <= start <= edit.end
    return (edit.start < end and start < edit.end) or (edit.start, edit.end) == (start, end)
