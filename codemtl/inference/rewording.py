"""The summary of a similar function, told of another one.

Example: ``disable_ldaps`` with "Disable LDAPS for a directory", told of ``enable_ldaps``:
"Enable LDAPS for a directory".
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def reworded(summary: str, name: str, other: str) -> str | None:
    """What ``summary`` says of the function ``name``, said of the function ``other``.

    The words in which the names differ are replaced; None where the summary has none of them, so
    that nobody knows what it would say. Names that are equal change nothing.
    """
    if name == other:
        return summary
    old, new = ([word.lower() for word in _WORD.findall(one)] for one in (name, other))
    changes = {
        old[start + at]: new[begin + at]
        for tag, start, end, begin, stop in SequenceMatcher(
            None, old, new, autojunk=False
        ).get_opcodes()
        if tag == "replace" and end - start == stop - begin
        for at in range(end - start)
    }
    if not changes:
        return None
    pattern = "|".join(map(re.escape, sorted(changes, key=len, reverse=True)))
    found = re.sub(
        rf"(?<![A-Za-z])({pattern})(?![A-Za-z])",
        lambda match: _as(match[1], changes[match[1].lower()]),
        summary,
        flags=re.IGNORECASE,
    )
    return None if found == summary else found


def _as(word: str, other: str) -> str:
    """``other`` with the capitals of ``word``."""
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other
