"""The rival of the text suites that writes nothing: the answer of the most similar training case.

Similarity is BM25 (Robertson & Zaragoza 2009) over the words of names: ``get_fileSize`` has the
words get, file, size.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

SATURATION, LENGTH = 1.2, 0.75  # k1 and b
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\w\s]+")
_COMMON = 0.2  # a word in more documents than this share tells nothing


def words(text: str) -> list[str]:
    """The words of names, numbers and operators, in lower case."""
    return [found.lower() for found in _WORD.findall(text)]


class Retrieval:
    """An index of documents, each a list of words."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.size = len(documents)
        vocabulary: dict[str, int] = {}
        terms, owners, counts = [], [], []
        for number, document in enumerate(documents):
            for word, count in Counter(document).items():
                terms.append(vocabulary.setdefault(word, len(vocabulary)))
                owners.append(number)
                counts.append(count)
        order = np.argsort(np.array(terms, np.int64), kind="stable")
        self._vocabulary = vocabulary
        self._owners = np.array(owners, np.int64)[order]
        sizes = np.bincount(np.array(terms, np.int64), minlength=len(vocabulary))
        self._offsets = np.concatenate(([0], np.cumsum(sizes)))
        lengths = np.array([len(one) for one in documents], float)
        relative = 1 - LENGTH + LENGTH * lengths / max(float(lengths.mean()), 1.0)
        frequency = np.array(counts, float)[order]
        rarity = np.log1p((self.size - sizes + 0.5) / (sizes + 0.5))
        saturated = frequency / (frequency + SATURATION * relative[self._owners])
        self._weights = np.repeat(rarity, sizes) * saturated * (SATURATION + 1)

    def nearest(self, query: Sequence[str]) -> int | None:
        """The most similar document, the first of equals; None if nothing is shared."""
        scores = np.zeros(self.size)
        for word in dict.fromkeys(query):
            term = self._vocabulary.get(word)
            if term is None:
                continue
            low, high = self._offsets[term : term + 2]
            if high - low <= max(1, _COMMON * self.size):
                scores[self._owners[low:high]] += self._weights[low:high]
        best = int(scores.argmax()) if self.size else 0
        return best if self.size and scores[best] > 0 else None
