"""Functions that are nearly the same, so that no split learns what another one is judged by.

Two functions are near-duplicates when the sets of their runs of five tokens have a Jaccard
similarity of at least 0.8. Pairs are found by MinHash signatures in bands (Broder 1997; Indyk and
Motwani 1998): with 16 bands of 4 values a pair at 0.8 is missed with probability 0.0002. Every pair
found is then compared exactly.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codemtl.corpus.hashing import function_tokens
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse

RUN = 5  # tokens
THRESHOLD = 0.8
BANDS, BAND_VALUES = 16, 4
VALUES = BANDS * BAND_VALUES
_SLACK = 0.2  # below the threshold by estimate: four standard deviations of it
_CHUNK = 1 << 17  # pairs that are compared at a time

_draw = np.random.default_rng(20240229)
_FACTORS = _draw.integers(1, 1 << 63, VALUES, np.uint64) * np.uint64(2) + np.uint64(1)
_TERMS = _draw.integers(0, 1 << 63, VALUES, np.uint64)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)

Runs = NDArray[np.uint64]  # sorted, each once
Signature = NDArray[np.uint32]  # [VALUES]


class NearPair(NamedTuple):
    """An item, the most similar one found in a split before its own, and their similarity."""

    item: int
    guard: int
    similarity: float


def runs(texts: Sequence[str]) -> Runs:
    """Hashes of the runs of ``RUN`` tokens; a shorter function is one run."""
    codes = np.array([zlib.crc32(text.encode("utf-8", "replace")) for text in texts], np.uint64)
    size = max(len(codes) - RUN + 1, 1)
    found = np.zeros(size, np.uint64)
    for offset in range(min(RUN, len(codes))):
        found = (found ^ codes[offset : offset + size]) * _MIX
        found ^= found >> _SHIFT
    return np.unique(found)


def signature(found: Runs) -> Signature:
    """The MinHash signature of a set of runs."""
    hashed = (found[:, None] * _FACTORS + _TERMS) >> _SHIFT
    smallest: Signature = hashed.min(axis=0).astype(np.uint32)
    return smallest


def source_runs(source: str) -> Runs:
    """The runs of a function given by its source, from ``def``."""
    tree = parse(source.encode("utf-8", "replace"))
    found = functions(tree)
    node = found[0].node if found else tree.root
    return runs([token.text for token in function_tokens(tree, node)])


def similarity(one: Runs, two: Runs) -> float:
    """Jaccard similarity of two sets of runs."""
    common = len(np.intersect1d(one, two, assume_unique=True))
    return common / (len(one) + len(two) - common)


def leaks(
    signatures: NDArray[np.uint32],
    ranks: NDArray[np.int8],
    runs_of: Callable[[int], Runs],
    threshold: float = THRESHOLD,
) -> Iterator[NearPair]:
    """The items that have a near-duplicate among those of a smaller rank, by rank.

    ``signatures`` is [items, VALUES]; ``ranks`` [items] says which split an item is in, the most
    precious split first.
    """
    for rank in np.unique(ranks)[1:]:
        guards, items = np.flatnonzero(ranks < rank), np.flatnonzero(ranks == rank)
        # Equal signatures are equal sets of runs but for chance: one of them stands for all.
        _, first = np.unique(signatures[guards], axis=0, return_index=True)
        guards = guards[first]
        likely = _likely(signatures, guards, items, threshold - _SLACK)
        known: dict[int, Runs] = {}
        for item, near in likely:
            mine = runs_of(item)
            best = NearPair(item, -1, 0.0)
            for guard in near:
                if guard not in known:
                    known[guard] = runs_of(guard)
                found = similarity(mine, known[guard])
                if found > best.similarity:
                    best = NearPair(item, guard, found)
                if found >= threshold:
                    break
            if best.similarity >= threshold:
                yield best


def _likely(
    signatures: NDArray[np.uint32], guards: NDArray[np.intp], items: NDArray[np.intp], least: float
) -> Iterator[tuple[int, list[int]]]:
    """(item, guards that share a band with it and are similar by estimate, the nearest first)."""
    pairs = [np.empty((0, 3))]  # rows of item, guard, estimate
    for band in range(BANDS):
        columns = slice(band * BAND_VALUES, (band + 1) * BAND_VALUES)
        guard_keys, item_keys = (_keys(signatures[which, columns]) for which in (guards, items))
        order = np.argsort(guard_keys)
        guard_keys = guard_keys[order]
        low = np.searchsorted(guard_keys, item_keys, "left")
        counts = np.searchsorted(guard_keys, item_keys, "right") - low
        for part in _chunks(counts):
            many = counts[part]
            item = np.repeat(items[part], many)
            start = np.repeat(low[part] - np.cumsum(many) + many, many)
            guard = guards[order[start + np.arange(len(item))]]
            same = signatures[item] == signatures[guard]
            # A pair that shares several bands counts in the first one only.
            earlier = same.reshape(len(item), BANDS, BAND_VALUES)[:, :band].all(axis=2).any(axis=1)
            estimate = same.mean(axis=1)
            kept = (estimate >= least) & ~earlier
            pairs.append(np.stack([item[kept], guard[kept], estimate[kept]], axis=1))
    found = np.concatenate(pairs)
    found = found[np.lexsort((-found[:, 2], found[:, 0]))]
    edges = np.flatnonzero(np.diff(found[:, 0], prepend=-1.0))
    for rows in np.split(found, edges[1:]) if len(found) else []:
        yield int(rows[0, 0]), [int(guard) for guard in rows[:, 1]]


def _keys(values: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One number for each row."""
    key = np.zeros(len(values), np.uint64)
    for column in values.T:
        key = (key ^ column.astype(np.uint64)) * _MIX
        key ^= key >> _SHIFT
    return key


def _chunks(counts: NDArray[np.intp]) -> Iterable[slice]:
    """Slices of the items so that each has about ``_CHUNK`` pairs."""
    if not counts.any():
        return []
    edges = np.searchsorted(np.cumsum(counts), np.arange(0, counts.sum(), _CHUNK)).tolist()
    return [slice(a, b) for a, b in zip(edges, [*edges[1:], len(counts)], strict=True) if b > a]
