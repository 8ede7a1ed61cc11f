"""The naturalness rival of the benchmark: a token n-gram model that ranks the same edits.

Interpolated Kneser-Ney (Chen & Goodman 1999) over the lexical tokens of functions, mixed with the
function's own token counts, as names are local to a file (Hellendoorn & Devanbu 2017). An edit's
score is what it gains in log-likelihood. As every token's probability depends on the tokens before
it, the gain is summed over the edited tokens and the ``order - 1`` tokens after them: both sides
of the edit count. Edits that change the number of tokens are compared by the mean over tokens, or
deleting anything would always look like a gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from codemtl.tasks.example import POINTER_FAMILIES, Example

EDGE, UNKNOWN = 0, 1  # before, between and after functions; words that are too rare
LOCAL = 0.2  # weight of the function's own token counts

Array = NDArray[Any]


class Words:
    """Numbers words for ``build_example``; a word that the model lacks gets a number of its own."""

    def __init__(self, known: dict[str, int]) -> None:
        self._ids = dict(known)

    def encode_token(self, text: str) -> tuple[int, ...]:
        """The number of a word."""
        return (self._ids.setdefault(text, len(self._ids)),)

    def encode(self, text: str) -> list[int]:
        """Prose has no part in the model."""
        return []


@dataclass(slots=True)
class Level:
    """The k-grams of a model. A k-gram's number is its place in ``keys``."""

    keys: Array  # sorted: number of the first k - 1 words, times the size of the vocabulary, + last
    counts: Array  # occurrences for the longest k-grams, else how many words were seen before it
    totals: Array  # by the number of the first k - 1 words: sum of counts
    kinds: Array  # ... and how many different last words there are
    discount: float


class Best(NamedTuple):
    """The edit that gains most: a site of the example, and an action or the number of a name."""

    gain: float
    site: int
    choice: int


class NgramModel:
    """Train it with ``train``; ``best`` answers for one function."""

    def __init__(self, words: dict[str, int], rare: int, levels: list[Level]) -> None:
        self.words, self.rare, self.levels = words, rare, levels
        self.order = len(levels)

    @classmethod
    def train(
        cls, functions: Iterable[Sequence[str]], order: int = 4, least: int = 2
    ) -> NgramModel:
        """From functions as words; those that occur fewer than ``least`` times are one word."""
        texts = [list(words) for words in functions]
        counts = Counter(word for text in texts for word in text)
        kept = sorted(word for word, count in counts.items() if count >= least)
        words = {"<edge>": EDGE, "<unknown>": UNKNOWN}
        words.update((word, index) for index, word in enumerate(kept, len(words)))
        edge = [EDGE] * (order - 1)
        flat = list(edge)
        for text in texts:
            flat += [words.get(word, UNKNOWN) for word in text] + edge
        levels = _levels(np.array(flat), order, len(words))
        return cls(words, max(1, len(counts) - len(kept)), levels)

    def save(self, path: Path) -> None:
        """Write an npz file."""
        arrays = {
            f"{name}{k}": getattr(level, name)
            for k, level in enumerate(self.levels)
            for name in Level.__slots__
        }
        text = "\0".join(self.words).encode()
        np.savez(path, words=np.frombuffer(text, np.uint8), rare=self.rare, **arrays)

    @classmethod
    def load(cls, path: Path) -> NgramModel:
        """Read what ``save`` wrote."""
        with np.load(path) as data:
            words = bytes(data["words"]).decode().split("\0")
            order = sum(name.startswith("keys") for name in data.files)
            levels = [
                Level(
                    data[f"keys{k}"],
                    data[f"counts{k}"],
                    data[f"totals{k}"],
                    data[f"kinds{k}"],
                    float(data[f"discount{k}"]),
                )
                for k in range(order)
            ]
            return cls({word: i for i, word in enumerate(words)}, int(data["rare"]), levels)

    def probabilities(self, windows: Array, own: Array | None = None) -> Array:
        """p(last word | the words before it) for each row of ``windows`` [m, order].

        ``own`` [number of words] is the distribution of the function's own tokens to mix in.
        """
        size = len(self.words)
        known = np.where(windows < size, windows, UNKNOWN)
        chance: Array = np.full(len(known), 1.0 / size)
        for k in range(1, self.order + 1):
            level, gram = self.levels[k - 1], known[:, self.order - k :]
            before = self._number(gram[:, :-1])
            total = np.where(before >= 0, level.totals[before], 0)
            here = self._find(k, before, gram[:, -1])
            count = np.where(here >= 0, level.counts[here], 0)
            spread = level.discount * level.kinds[before] * chance  # what the discounts left
            seen = np.maximum(count - level.discount, 0) + spread
            chance = np.where(total > 0, seen / np.maximum(total, 1), chance)
        chance = np.where(known[:, -1] == UNKNOWN, chance / self.rare, chance)
        return chance if own is None else (1 - LOCAL) * chance + LOCAL * own[windows[:, -1]]

    def followers(self, word: int) -> Array:
        """The words that came after a word in training."""
        size = len(self.words)
        number = int(self._number(np.array([[word]]))[0]) if word < size else -1
        if number < 0 or self.order < 2:
            return np.zeros(0, np.int64)
        keys = self.levels[1].keys
        low, high = np.searchsorted(keys, [number * size, (number + 1) * size])
        return keys[low:high] - number * size

    def _number(self, grams: Array) -> Array:
        """The numbers of k-grams [m, k], -1 for those never seen; all 0 for k = 0."""
        number: Array = np.zeros(len(grams), np.int64)
        for k in range(1, grams.shape[1] + 1):
            number = self._find(k, number, grams[:, k - 1])
        return number

    def _find(self, k: int, before: Array, last: Array) -> Array:
        keys = self.levels[k - 1].keys
        wanted = before * len(self.words) + last
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where((before >= 0) & (keys[at] == wanted), at, -1)

    def best(self, example: Example) -> Best | None:
        """The best edit of a function that was built with ``Words(model.words)``."""
        edits, rows = _rewrites(example, self.order - 1)
        if not edits:
            return None
        side = self.order - 1
        padded = np.pad(example.pieces.astype(np.int64), side, constant_values=EDGE)
        top = max(int(padded.max()), *(int(row.max()) for row in rows), len(self.words))
        own = np.bincount(example.pieces, minlength=top + 1) / max(len(example.pieces), 1)
        old = self._logs(sliding_window_view(padded, self.order), own)
        until = np.concatenate(([0.0], np.cumsum(old)))
        windows = [sliding_window_view(row, self.order, axis=1) for row in rows]
        new = self._logs(np.concatenate([w.reshape(-1, self.order) for w in windows]), own)
        means, start = [], 0
        for part in windows:
            end = start + part.shape[0] * part.shape[1]
            means.append(new[start:end].reshape(part.shape[:2]).mean(1))
            start = end
        table = np.array(edits)
        first, last = example.site_start[table[:, 0]], example.site_end[table[:, 0]] + side
        gains = (last - first) * np.concatenate(means) - (until[last] - until[first])
        index = int(gains.argmax())
        return Best(float(gains[index]), int(table[index, 0]), int(table[index, 1]))

    def _logs(self, windows: Array, own: Array) -> Array:
        return np.log(self.probabilities(windows, own))


def _rewrites(example: Example, side: int) -> tuple[list[tuple[int, int]], list[Array]]:
    """All edits as (site, choice), and the words around and in them as matrices of equal rows."""
    padded = np.pad(example.pieces.astype(np.int64), side, constant_values=EDGE)
    edits: list[tuple[int, int]] = []
    rows: list[Array] = []
    for site, (start, end) in enumerate(zip(example.site_start, example.site_end, strict=True)):
        left, right = padded[start : start + side], padded[end + side : end + 2 * side]
        if example.site_family[site] in POINTER_FAMILIES:
            group = example.groups[example.site_group[site]]
            group = group[group != example.site_state[site]]
            written = example.names.values[example.names.offsets[group]][:, None]
            choices = group.tolist()
            blocks = [written] if len(group) else []
        else:
            low, high = example.options.offsets[site : site + 2]
            choices = example.options.values[low:high].tolist()
            blocks = [example.option_pieces[row][None] for row in range(low, high)]
        edits += [(site, choice) for choice in choices]
        for block in blocks:
            count = len(block)
            rows.append(np.hstack((np.tile(left, (count, 1)), block, np.tile(right, (count, 1)))))
    return edits, rows


def _levels(flat: Array, order: int, size: int) -> list[Level]:
    numbers = [np.zeros(len(flat) + 1, np.int64)]  # of the k-gram that starts at each place
    keys, firsts, counts = [], [], []
    for k in range(1, order + 1):
        found = numbers[-1][: len(flat) - k + 1] * size + flat[k - 1 :]
        unique, first, number, count = np.unique(
            found, return_index=True, return_inverse=True, return_counts=True
        )
        keys.append(unique)
        firsts.append(first)
        numbers.append(number)
        counts.append(count)
    levels = []
    for k in range(1, order + 1):
        if k < order:  # Kneser-Ney: in how many contexts a shorter k-gram occurs, not how often
            inner = firsts[k] + 1
            counts[k - 1] = np.bincount(numbers[k][inner], minlength=len(keys[k - 1]))
        before, contexts = keys[k - 1] // size, len(keys[k - 2]) if k > 1 else 1
        once, twice = ((counts[k - 1] == n).sum() for n in (1, 2))
        totals = np.bincount(before, weights=counts[k - 1], minlength=contexts)
        kinds = np.bincount(before, weights=counts[k - 1] > 0, minlength=contexts)
        discount = float(once / (once + 2 * twice)) if once and twice else 0.5
        levels.append(Level(keys[k - 1], counts[k - 1], totals, kinds, discount))
    return levels
