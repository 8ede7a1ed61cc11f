"""What the file, and those beside it, do elsewhere, as evidence for or against an edit.

Code is written in parallel: methods that mirror each other, tests in a row. Where the line at the
place that is most like an edit's own, with the names that change around it changed, is like what
stands there, that speaks against the edit; where it is like what the edit makes of it, for the
edit. Example: for ``self.low = high`` beside ``self.high = high`` and, in another
class, ``self.min = min`` above ``self.max = max``, the edit to ``self.low = low``.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

from codemtl.inference.prompts import adapted_from
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit
from codemtl.syntax.tree import SourceTree
from codemtl.tasks.building import line_bytes, siblings
from codemtl.tasks.example import Layout
from codemtl.tasks.similar import Places

PLACES = 3  # that are looked at for a line
POWER = 4  # of how alike two lines are: those that differ in much say little
_TOKEN = re.compile(r"\w+|[^\w\s]")


class _There(NamedTuple):
    """What stands at another place."""

    score: float  # how alike the places are
    tokens: list[str]
    like_old: float  # how alike it is to the line here as it stands


class Parallels:
    """The lines of a function, and what stands in their place in others, as `siblings` has them."""

    def __init__(
        self, tree: SourceTree, function: Definition, tokenizer: CodeTokenizer, layout: Layout
    ) -> None:
        self.data, self.name, self.tokenizer = tree.data, function.name, tokenizer
        pieces, self.lines = line_bytes(tree, function.node, tokenizer, layout)
        self.places = Places(siblings(tree, function, tokenizer).functions, pieces, layout)
        self._known: dict[int, list[_There]] = {}

    def evidence(self, edit: Edit) -> tuple[float, float]:
        """How much speaks for what stands there and for the edit, 0 to 3.5 each.

        That is how alike the places are (`Places.scores`), times how alike the lines are (Ratcliff
        and Obershelp) to the power POWER, of the better place. Both are 0 in the header.
        """
        inside = (at for at, (start, end) in enumerate(self.lines) if start <= edit.start <= end)
        line = next(inside, 0)
        start, end = self.lines[line]
        if not line or edit.end > end:
            return 0.0, 0.0
        old = self.data[start:end]
        after = _tokens(
            old[: edit.start - start] + edit.replacement.encode() + old[edit.end - start :]
        )
        kept, changed = 0.0, 0.0
        for score, tokens, like_old in self._there(line):
            matcher = SequenceMatcher(None, tokens, after, autojunk=False)
            like_new = 0.0 if matcher.quick_ratio() < like_old else _ratio(matcher)
            if like_old > like_new:
                kept = max(kept, score * like_old**POWER)
            elif like_new > like_old:
                changed = max(changed, score * like_new**POWER)
        return kept, changed

    def _there(self, line: int) -> list[_There]:
        """What stands at the places most like a line's."""
        if line not in self._known:
            found: dict[str, float] = {}
            for place in self.places.similar(line):
                text = " ".join(self.tokenizer.words(place.line))
                found.setdefault(adapted_from(place, text, self.name, self.tokenizer), place.score)
                if len(found) == PLACES:
                    break
            start, end = self.lines[line]
            before = _tokens(self.data[start:end])
            self._known[line] = [
                _There(score, tokens, _ratio(SequenceMatcher(None, tokens, before, autojunk=False)))
                for tokens, score in (
                    (_TOKEN.findall(text), score) for text, score in found.items()
                )
            ]
        return self._known[line]


def _tokens(line: bytes) -> list[str]:
    return _TOKEN.findall(line.decode("utf-8", "replace"))


def _ratio(matcher: SequenceMatcher[str]) -> float:
    return matcher.ratio() if matcher.real_quick_ratio() > 0.3 else 0.0
