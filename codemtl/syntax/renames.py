"""Which names the latest changes of a file put in the place of which, by git.

Who renames something forgets a place now and then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import chain, islice

from codemtl.syntax.git_output import output

CHANGES = 30  # of the file that are looked at, beside what is not committed yet
_LARGEST = 600  # tokens on either side of a place of a change that is looked at
_ROOM = 10_000_000  # what all places may cost together: each its old tokens * new ones, and
_PLACE = 1000
_LINES = 10_000  # of a file, from the first to the last that is not as committed, to be compared
_CHANGE = re.compile(rb"^\x01", re.MULTILINE)  # the file may hold the byte further on in a line
_HUNK = re.compile(rb"^@@.*$", re.MULTILINE)
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_IS_NAME = re.compile(_NAME)
_TOKEN = re.compile(rf"{_NAME}|\S")

Renames = Mapping[str, Mapping[str, float]]  # old name -> new name -> how often, and how late
Hunk = tuple[list[bytes], list[bytes]]  # the lines that a change removes and adds at a place


def renames(
    where: Sequence[str], path: str, revision: str = "HEAD", contents: bytes | None = None
) -> Renames:
    """The names of a file that changes have replaced.

    Of dotted names only what differs is kept: ``a.old.b`` that becomes ``a.new.b`` is ``old`` that
    becomes ``new``, and ``x`` may become ``self.x``. A replacement counts 1 in the latest change
    and 1 / (1 + n) in that n changes before it.

    Args:
        where: git's options that name the repository, such as ``-C FOLDER``.
        path: of the file, from the top of ``revision`` or from that folder.
        revision: up to which changes count.
        contents: of the file now; what it has and ``revision`` has not is the latest change.

    Returns:
        Nothing if git cannot tell; only those of the latest changes where there is too much.
    """
    log = output(where, [
        "-c", "log.follow=false", "log", "-p", "-U0",
        "--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature",
        f"--max-count={CHANGES}", "--format=%x01", revision, "--", path,
    ])  # fmt: skip
    diffs = _CHANGE.split(log)[1:]
    changes: Iterator[list[Hunk]] = map(_hunks, diffs)
    if contents is not None and diffs:
        committed = output(where, ["cat-file", "blob", f"{revision}:./{path}"])
        latest = list(_differences(committed.splitlines(), contents.splitlines()))
        changes = chain([latest], changes) if latest else changes
    found: dict[str, dict[str, float]] = {}
    room = _ROOM
    for before, hunks in enumerate(changes):
        for removed, added in hunks:
            one, two = _tokens(removed), _tokens(added)
            room -= _PLACE + len(one) * len(two)
            if room < 0:
                return found
            for old, new in _replaced(one, two):
                counts = found.setdefault(old, {})
                counts[new] = counts.get(new, 0.0) + 1 / (1 + before)
    return found


def _hunks(diff: bytes) -> list[Hunk]:
    found = []
    for text in _HUNK.split(diff)[1:]:
        lines = text.split(b"\n")
        removed, added = ([one[1:] for one in lines if one[:1] == sign] for sign in (b"-", b"+"))
        found.append((removed, added))
    return found


def _differences(old: list[bytes], new: list[bytes]) -> Iterator[Hunk]:
    head = _in_common(old, new)
    tail = _in_common(old[head:][::-1], new[head:][::-1])
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(old), len(new)) > _LINES:
        return
    for what, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes():
        if what == "replace":
            yield old[i:j], new[k:m]


def _in_common(old: list[bytes], new: list[bytes]) -> int:
    """How many of the first lines are the same."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((i for i, (one, two) in pairs if one != two), min(len(old), len(new)))


def _tokens(lines: list[bytes]) -> list[str]:
    """None where there are too many."""
    text = b"\n".join(lines).decode("utf-8", "replace")
    found = [token[0] for token in islice(_TOKEN.finditer(text), _LARGEST + 1)]
    return found if len(found) <= _LARGEST else []


def _replaced(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """The names of a place that others took the place of, each with its successor."""
    if not old or not new:
        return
    for what, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "replace" and j - i == m - k:
            for one, two in zip(old[i:j], new[k:m], strict=True):
                if _IS_NAME.fullmatch(one) and _IS_NAME.fullmatch(two):
                    yield _what_differs(one.split("."), two.split("."))


def _what_differs(old: list[str], new: list[str]) -> tuple[str, str]:
    while len(old) > 1 < len(new) and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    while len(old) > 1 < len(new) and old[0] == new[0]:
        old, new = old[1:], new[1:]
    return ".".join(old), ".".join(new)
