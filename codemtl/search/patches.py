"""Which of the patches that pass is the one to show.

Tests are few, and patches that please them and nobody else are many. So what the search thought
probable counts, what is small, what other passing patches agree about (they change the same place),
and whether anybody would write such a line (``search.naturalness``); a patch that takes
functionality away, or that asks for a value that the test holds and the code did not, comes last
(Smith et al. 2015, "Is the cure worse than the disease?").
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemtl.search.candidates import Candidate

AGREEMENT = 0.5  # weight of the logarithm of how many patches change the same line
PER_CHARACTER = 0.02  # logarithm of a patch's probability that each changed character costs
TAKES_AWAY = {"delete": 2.0, "delete-run": 3.0, "unguard": 1.5, "undo-added": 3.0}
NATURAL = 1.6  # weight of how natural a line is, fitted to repairs among others (data/LOG.md)
NEW_LITERAL = 3.0  # penalty of a value that only the tests hold
_LITERAL = re.compile(r"""(?<![\w.])\d+(?:\.\d+)?|'[^'\n]*'|"[^"\n]*\"""")
_COMMON = frozenset({"0", "1", "2", "''", '""'})


@dataclass(frozen=True, slots=True)
class Passing:
    """A candidate that the tests accept."""

    path: Path
    candidate: Candidate
    data: bytes  # the file before, UTF-8
    tried: int  # number of candidates until it was found
    beside: tuple[Passing, ...] = ()  # what has to be changed in other files too

    @property
    def patched(self) -> bytes:
        """The file with the patch."""
        return self.candidate.text(self.data)

    @property
    def line(self) -> int:
        """The first line that it changes, from 1."""
        start = min(edit.start for edit in self.candidate.edits)
        return self.data.count(b"\n", 0, start) + 1


def best_first(
    found: Sequence[Passing], test_text: str, natural: Sequence[float] = ()
) -> list[Passing]:
    """The patches, the most trustworthy first; ``test_text`` is the source of the tests.

    ``natural`` is what ``search.naturalness`` says of each.
    """
    agreeing = Counter((one.path, one.line) for one in found)

    def score(one: Passing) -> float:
        candidate = one.candidate
        points = math.log(max(candidate.weight, 1e-300))
        points += AGREEMENT * math.log(agreeing[one.path, one.line])
        points -= PER_CHARACTER * sum(
            abs(len(e.replacement) - (e.end - e.start)) for e in candidate.edits
        )
        points -= TAKES_AWAY.get(candidate.rule, 0.0)
        return points - NEW_LITERAL * _taken_from_tests(one, test_text)

    points = [
        score(one) + NATURAL * value
        for one, value in zip(found, natural or [0.0] * len(found), strict=True)
    ]
    return [found[at] for at in sorted(range(len(found)), key=lambda at: -points[at])]


def _taken_from_tests(one: Passing, test_text: str) -> int:
    """How many constants of the tests the patch brings into a file that did not hold them."""
    held = one.data.decode("utf-8", "replace")
    new = _literals(edit.replacement for edit in one.candidate.edits) - _COMMON
    return sum(text not in held and text.strip("'\"") in test_text for text in new)


def _literals(texts: Iterable[str]) -> set[str]:
    return {match[0] for text in texts for match in _LITERAL.finditer(text)}
