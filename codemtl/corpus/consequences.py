"""Whether an edit in a larger commit is a repair by itself, or follows from its other changes.

Example: a commit turns ``self.radius`` into ``sun.radius`` in one function and nowhere else, and
both names are in use before and after: a repair. Where it turns ``close`` into ``_close`` in five
functions and renames the method, each of these edits is no repair without the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from codemtl.corpus.fixes import SILENT_KINDS, Fix
from codemtl.corpus.history import is_test
from codemtl.corpus.patches import Change, Hunk, Patch, token_change, tokens
from codemtl.syntax.actions import UNDEFINED

MAX_LINES = 120  # of the program that a commit removes and adds
FEW_LINES = 40  # the same; then one slip may stand in several functions
MAX_SAME, MAX_SAME_NAME = 4, 2  # functions with one slip; of another name it is soon a renaming
TINY_LINES = 10  # then a name may go that nothing uses any more
MAX_INTEGER = 2  # another large number is as a rule no repair of an index
ALIKE = 0.8  # a name that is gone was misspelled if it is so similar to the new one
_NAMES = frozenset({"variable-misuse", "attribute-misuse", "call-misuse", UNDEFINED})
_EXCEPTIONS = ("Error", "Exception")  # another class of them is another interface
_INTEGER = re.compile(r"[-+ ]*(\d+)")
_DEFINITION = (
    r"\b(?:def|class|as|import)\s+NAME\b|\bNAME\s*(?::[^=]*)?=(?!=)|\bfor\b.*\bNAME\b.*\bin\b|"
    r"^\s*def .*[(,*]\s*NAME\b"
)


def stands_alone(fix: Fix, hunk: Hunk, patch: Patch, old: bytes, new: bytes) -> bool:
    """Whether an edit is a repair without the rest of the commit.

    ``old`` and ``new`` are the two versions of the file; ``hunk`` is the place of the edit.
    """
    if fix.edit is None or fix.kind not in SILENT_KINDS:
        return False
    lines = sum(
        len(one.removed) + len(one.added)
        for path, hunks in patch.items() if not is_test(path)
        for one in hunks
    )  # fmt: skip
    before, after = fix.edit_original, fix.edit.replacement
    names = fix.kind in _NAMES and before.isidentifier() and after.isidentifier()
    repeated = _times(hunk, patch)
    most = 1 if lines > FEW_LINES else MAX_SAME_NAME if names else MAX_SAME
    if lines > MAX_LINES or repeated > most:
        return False
    if not names:
        return fix.kind != "off-by-one" or not (is_large(before) or is_large(after))
    others = [one for hunks in patch.values() for one in hunks if one is not hunk]
    if _is_renamed(fix, others, repeated - 1) or not _count(after, old) or _count(after, new) < 2:
        return False
    if _count(before, old) > repeated and _count(before, new):
        return True
    local = fix.kind in (UNDEFINED, "variable-misuse")
    return local or _is_misspelled(before, after) or lines <= TINY_LINES


def _is_renamed(fix: Fix, others: Sequence[Hunk], again: int) -> bool:
    """Whether the new name comes for the old one by more than a slip.

    ``others`` are the other hunks of the commit; ``again`` of them make the same change.
    """
    before, after = fix.edit_original, fix.edit.replacement if fix.edit else ""
    if before.strip("_") == after.strip("_"):
        return True
    exceptions = before.endswith(_EXCEPTIONS) and after.endswith(_EXCEPTIONS)
    if exceptions and not _is_misspelled(before, after):
        return True
    if _exchanges(before, after, others) > again:
        return True
    return not _is_local(fix, before, after) and _moves(before, after, others, again)


def _times(hunk: Hunk, patch: Patch) -> int:
    """How often a commit makes the change of tokens that a hunk makes, this one included."""
    found: Counter[Change] = Counter()
    for hunks in patch.values():
        for one in hunks:
            found.update(_changes(one))
    return max(found[one] for one in _changes(hunk))


def _changes(hunk: Hunk) -> set[Change]:
    """What a hunk changes as a whole and, where the lines are as many, line by line."""
    sides = [(hunk.removed, hunk.added)]
    if len(hunk.removed) == len(hunk.added):
        sides += [([one], [two]) for one, two in zip(hunk.removed, hunk.added, strict=True)]
    found = {token_change(one, two) for one, two in sides} - {((), ())}
    if not found:  # the same tokens in another order, or no change of code
        found = {(tuple(tokens(hunk.removed)), tuple(tokens(hunk.added)))}
    return found


def is_large(text: str) -> bool:
    """Whether a text is an integer of which another is as a rule another setting."""
    match = _INTEGER.fullmatch(text.strip())
    return match is not None and int(match[1]) > MAX_INTEGER


def _exchanges(before: str, after: str, hunks: Iterable[Hunk]) -> int:
    """In how many hunks one name comes for the other."""
    changes = (one.change for one in hunks)
    return sum(before.encode() in gone and after.encode() in came for gone, came in changes)


def _is_local(fix: Fix, before: str, after: str) -> bool:
    """Whether the function itself uses both names besides, so that none of them was renamed."""
    if fix.kind != "variable-misuse":
        return False
    return _count(after, fix.before.encode()) > 0 and _count(before, fix.after.encode()) > 0


def _moves(before: str, after: str, hunks: Sequence[Hunk], least: int) -> bool:
    """Whether the rest of a commit defines the new name or takes the old one away."""
    came = sum(_defines(after, one.added) - _defines(after, one.removed) for one in hunks)
    gone = sum(_defines(before, one.removed) - _defines(before, one.added) for one in hunks)
    if came > 0 or gone > 0:
        return True
    removed = b"\n".join(line for one in hunks for line in one.removed)
    added = b"\n".join(line for one in hunks for line in one.added)
    more = _count(after, added) - _count(after, removed)
    less = _count(before, removed) - _count(before, added)
    return more > least and less > least


def _is_misspelled(before: str, after: str) -> bool:
    alike = SequenceMatcher(None, before, after).ratio() >= ALIKE
    return alike and before not in after and after not in before


@lru_cache(maxsize=1024)
def _word(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"\b" + re.escape(name.encode()) + rb"\b")


@lru_cache(maxsize=1024)
def _definition(name: str) -> re.Pattern[bytes]:
    return re.compile(_DEFINITION.replace("NAME", re.escape(name)).encode())


def _count(name: str, data: bytes) -> int:
    return len(_word(name).findall(data))


def _defines(name: str, lines: Iterable[bytes]) -> int:
    return sum(len(_definition(name).findall(line)) for line in lines)
