r"""Method naming: a function without its name in, the name out.

For example:

    input    <ctx> import os ⏎ <fn> def <mask> ( path ) : ⏎+4 return os . path . getsize ( path )
    target   file _size <eos>
    answer   get_size: no exact match; sub-tokens of file_size: precision 1/2, recall 1/2

The word is masked wherever it stands, in recursive calls and in the file's context too, so the
name is never to be read. Allamanis et al. 2016, arXiv:1602.03001, posed the task; measured as by
Alon et al. 2019 (code2seq), arXiv:1808.01400: exact match, and precision, recall and F1 over the
sub-tokens of all names together, lower case. ``__init__`` and the like, which the language
prescribes, are learned but not measured (as Husain et al. 2019, arXiv:1909.09436, leave them out).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from codemtl.tasks.batches import encoder_input
from codemtl.tasks.example import CONTINUES, Example, Ints, piece_ids
from codemtl.tasks.task import FunctionToText, Vocabulary

# HTTPServer_id2: HTTP Server id 2
_PART = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")


class Name(FunctionToText):
    """The name of a function."""

    name = "name"
    limit = 24
    no_repeat = 2  # few names say a pair of pieces twice; a model at its beginning does
    score = "subtoken_f1"
    written = True

    def prompt(self, example: Example, vocabulary: Vocabulary) -> Ints:
        """The function and its context, the name masked in both."""
        name, mask = _name(example, vocabulary), vocabulary.specials.mask
        context, pieces = (_masked(row, name, mask) for row in (example.context, example.pieces))
        return encoder_input(vocabulary.specials, context, pieces)[0]

    def target(self, example: Example, vocabulary: Vocabulary) -> Ints:
        """The pieces of the name."""
        return piece_ids(_name(example, vocabulary))[: self.limit - 1]

    def measure(self, texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """``exact_match`` and ``subtoken_precision``, ``_recall`` and ``_f1``, all 0 to 1."""
        pairs = [
            (text, wanted)
            for text, wanted in zip(texts, references, strict=True)
            if not (wanted.startswith("__") and wanted.endswith("__"))
        ]
        right = told = there = 0
        for text, wanted in pairs:
            found, parts = Counter(subtokens(text)), Counter(subtokens(wanted))
            right += (found & parts).total()
            told += found.total()
            there += parts.total()
        exact = sum(text == wanted for text, wanted in pairs)
        return {
            "exact_match": exact / max(len(pairs), 1),
            "subtoken_precision": right / max(told, 1),
            "subtoken_recall": right / max(there, 1),
            "subtoken_f1": 2 * right / max(told + there, 1),
        }


def subtokens(name: str) -> list[str]:
    """The words of a name in snake or camel case, in lower case."""
    return [part.lower() for part in _PART.findall(name)]


def _name(example: Example, vocabulary: Vocabulary) -> Ints:
    """The pieces of the function's name: of the word before the first that begins no identifier.

    A definition begins ``def NAME (``, ``def NAME [`` or with ``async`` before it.
    """
    pieces = example.pieces
    starts = np.flatnonzero(pieces < CONTINUES)
    others = np.flatnonzero(~vocabulary.layout.word[pieces[starts]])
    if not len(others) or others[0] < 2:  # cut off, or broken code
        return pieces[:0]
    return pieces[starts[others[0] - 1] : starts[others[0]]]


def _masked(row: Ints, name: Ints, mask: int) -> Ints:
    """``row`` with <mask> for each word that is the name."""
    parts: list[Ints] = []
    position = 0
    for start in np.flatnonzero(row == name[0]).tolist() if len(name) else ():
        end = start + len(name)
        ends_word = end >= len(row) or row[end] < CONTINUES
        if ends_word and np.array_equal(row[start:end], name):
            parts += [row[position:start], np.array([mask], np.int32)]
            position = end
    return np.concatenate([*parts, row[position:]])
