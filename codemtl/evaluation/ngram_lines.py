"""The n-gram rival of masked lines: the most probable line between what stands around it.

The model of `ngram` goes on from the tokens before the line, by beam search, until a line ends; the
finished lines are ranked with the tokens that follow them. A token can follow if it followed the
last one in training, or stands in the function itself.
"""

from __future__ import annotations

import itertools
import keyword
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from codemtl.evaluation.ngram import EDGE, UNKNOWN, Array, NgramModel, Words
from codemtl.syntax.lexical import LexicalToken

ORDER = 5
BEAM = 6
LONGEST = 40  # tokens of a line


class _Line(NamedTuple):
    score: float  # log-likelihood
    words: list[int]  # the tokens before, then those of the line


class LineWriter:
    """Train it with ``train``."""

    def __init__(self, model: NgramModel, spaces: Counter[tuple[str, str]]) -> None:
        self.model, self.spaces = model, spaces
        self.breaks = {word for text, word in model.words.items() if text.startswith("\n")}

    @classmethod
    def train(cls, functions: Iterable[Sequence[LexicalToken]]) -> LineWriter:
        """From the lexical tokens of functions."""
        spaces: Counter[tuple[str, str]] = Counter()
        texts = []
        for tokens in functions:
            texts.append([token.text for token in tokens])
            shapes = [_shape(token.text) for token in tokens]
            for left, right, token in zip(shapes, shapes[1:], tokens[1:], strict=False):
                spaces[left, right] += 1 if token.space_before else -1
        return cls(NgramModel.train(texts, ORDER), spaces)

    def write(self, before: Sequence[LexicalToken], after: Sequence[LexicalToken]) -> list[str]:
        """Lines between the tokens before, line break last, and those after; the likeliest first.

        Those after begin with a line break; there are none where the line is the last.
        """
        ids = Words(self.model.words)
        head, tail = ([ids.encode_token(one.text)[0] for one in part] for part in (before, after))
        texts = {ids.encode_token(one.text)[0]: one.text for one in (*before, *after)}
        own = np.bincount([*head, *tail], minlength=len(self.model.words) + len(texts)) / (
            max(len(head) + len(tail), 1)
        )
        start = [EDGE] * (self.model.order - 1) + head
        following = (tail or [EDGE])[: self.model.order - 1]
        never = {EDGE, UNKNOWN} | self.breaks
        never |= {word for word, text in texts.items() if text.startswith("\n")}
        open_lines, finished = [_Line(0.0, start)], []
        for _ in range(LONGEST):
            grown = [new for line in open_lines for new in self._grown(line, following[0], own)]
            finished += [
                line
                for line in grown
                if line.words[-1] == following[0] and len(line.words) > len(start) + 1
            ]
            grown = [line for line in grown if line.words[-1] not in never]
            open_lines = sorted(grown, key=lambda line: -line.score)[:BEAM]
        finished = [
            line._replace(score=line.score + self._after(line, following[1:], own))
            for line in finished
        ]
        texts |= {word: text for text, word in self.model.words.items()}
        ranked = sorted(finished, key=lambda line: -line.score)
        return [
            self._text([texts[word] for word in line.words[len(start) : -1]]) for line in ranked
        ]

    def _grown(self, line: _Line, end: int, own: Array) -> list[_Line]:
        """The line with one token more, in the likeliest ways."""
        choices = np.union1d(self.model.followers(line.words[-1]), [*np.flatnonzero(own), end])
        last = np.array(line.words[1 - self.model.order :])
        windows = np.column_stack([np.tile(last, (len(choices), 1)), choices])
        logs = np.log(self.model.probabilities(windows, own))
        best = np.argsort(-logs, kind="stable")[: 4 * BEAM]
        return [
            _Line(line.score + log, [*line.words, word])
            for log, word in zip(logs[best].tolist(), choices[best].tolist(), strict=True)
        ]

    def _after(self, line: _Line, following: Sequence[int], own: Array) -> float:
        """The log-likelihood of what follows a finished line."""
        if not following:
            return 0.0
        words, order, start = [*line.words, *following], self.model.order, len(line.words)
        windows = [words[at - order + 1 : at + 1] for at in range(start, len(words))]
        return float(np.log(self.model.probabilities(np.array(windows), own)).sum())

    def _text(self, tokens: Sequence[str]) -> str:
        """The tokens with spaces where such tokens mostly have one."""
        text = tokens[0]
        for left, right in itertools.pairwise(tokens):
            text += " " * (self.spaces[_shape(left), _shape(right)] > 0) + right
        return text


def _shape(text: str) -> str:
    """What spacing depends on: a name, a number, or the keyword or operator itself."""
    if text.isdecimal():
        return "0"
    return "name" if text.isidentifier() and not keyword.iskeyword(text) else text
