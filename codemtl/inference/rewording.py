"""What is said of one function, or done in it, said of another or done in that.

Examples: ``disable_ldaps`` with "Disable LDAPS for a directory", told of ``enable_ldaps``: "Enable
LDAPS for a directory". And the line after ``self.source = source`` in one function, where the other
one has ``self.reader = reader``: ``source.open()`` becomes ``reader.open()``.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NAME = re.compile(r"[^\W\d]\w*")
BORROWED = 0.6  # of the words of two sentences that say much the same
STEM = 4  # letters by which words are compared, for one is a verb in the other form
ALIKE = 0.5  # of two lines that say which name stands for which

Words = Sequence[str]


def reworded(summary: str, name: str, other: str) -> str | None:
    """What ``summary`` says of the function ``name``, said of the function ``other``.

    The words in which the names differ are replaced; None where the summary has none of them, so
    that nobody knows what it would say. Names that are equal change nothing.
    """
    if name == other:
        return summary
    changes = _differences(name, other)
    found = _replaced(summary, changes)
    return None if found == summary else found


def borrowed(text: str, name: str, summary: str, other: str) -> bool:
    """Whether ``text`` only says of the function ``name`` what ``summary`` says of ``other``.

    It is much the same, and has no word, of three letters or more, in which the names differ.
    """
    if name == other or not summary:
        return False
    words = text.lower().split()
    matcher = SequenceMatcher(None, words, summary.lower().split(), autojunk=False)
    if matcher.ratio() < BORROWED:
        return False
    theirs = set(_words(other))
    own = {word[:STEM] for word in _words(name) if len(word) > 2 and word not in theirs}
    return not own & {word[:STEM] for word in _words(text)}


def adapted(line: str, names: tuple[str, str], around: Iterable[tuple[Words, Words]]) -> str:
    """A line of one function as it would stand in another.

    Args:
        line: of the first function.
        names: of both functions.
        around: words of lines that stand alike around the line and around its place in the other.

    Returns:
        The line with names that differ in lines around it replaced, in other names the words that
        these, or the functions' names, differ by.
    """
    changes: dict[str, str] = {}
    words = _differences(*names)
    for theirs, ours in around:
        matcher = SequenceMatcher(None, theirs, ours, autojunk=False)
        if matcher.ratio() < ALIKE:
            continue
        for old, new in _changed(matcher, theirs, ours):
            if _is_name(old) and _is_name(new):
                changes.setdefault(old, new)
                words = _differences(old, new) | words

    def here(match: re.Match[str]) -> str:
        name = match[0]
        found = changes.get(name) or _replaced(name, words)
        return found if _is_name(name) and _is_name(found) else name

    return _NAME.sub(here, line)


def _is_name(word: str) -> bool:
    return word.isidentifier() and not keyword.iskeyword(word)


def _differences(name: str, other: str) -> dict[str, str]:
    """Which words of one name stand for which of the other, in small letters."""
    old, new = _words(name), _words(other)
    return dict(_changed(SequenceMatcher(None, old, new, autojunk=False), old, new))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _changed(matcher: SequenceMatcher[str], old: Words, new: Words) -> Iterator[tuple[str, str]]:
    for tag, start, end, begin, stop in matcher.get_opcodes():
        if tag == "replace" and end - start == stop - begin:
            yield from zip(old[start:end], new[begin:stop], strict=True)


def _replaced(text: str, changes: dict[str, str]) -> str:
    """``text`` with words changed, each in its own capitals."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        return _as(word, changes[word.lower()]) if word.lower() in changes else word

    return _WORD.sub(other, text)


def _as(word: str, other: str) -> str:
    """``other`` with the capitals of ``word``."""
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other
