"""Which cases a suite has: drawn once from a split of a corpus, by a seed, and then frozen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from codemtl.errors import DataError
from codemtl.evaluation.corpus import Corpus, FunctionRow, digest
from codemtl.evaluation.frozen import (
    CleanFile,
    FixPointer,
    FunctionPointer,
    MadeBug,
    Pointer,
    fix_digest,
)
from codemtl.evaluation.synthetic import make_bug


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many cases to draw at most."""

    clean: int = 10_000  # functions beside the real bugs, and beside the made ones
    made: int = 2_000
    uniform: int = 500
    texts: int = 2_000  # summaries, masked lines


def real_bugs(corpus: Corpus, sizes: Sizes, seed: int) -> Iterator[Pointer]:
    """All small fixes, and clean functions of the projects that they come from.

    Functions that some fix found to be wrong as they stand are not clean. Fixes that are there to
    learn from, and not to judge by, are left out: silent and partial ones.
    """
    rng = np.random.default_rng(seed)
    rows = fix_rows(corpus)
    if not rows:
        raise DataError(f"{corpus.folder} has no fixes in the {corpus.split} split")
    table = corpus.table("fixes")
    wrong = set(table.columns(["hash_before"], rows)[0])
    projects = set(table.columns(["project"], rows)[0])
    for index in rng.permutation(len(rows)).tolist():
        one = table.row(rows[index])
        yield FixPointer(
            one["project"], one["commit"], one["parent"], one["path"], one["qualname"],
            one["kind"], one["hash_before"], one["hash_after"],
            fix_digest(one["file"], one["before"], one["after"]),
        )  # fmt: skip
    owners = dict(zip(corpus.places.values(), (name for name, _ in corpus.places), strict=True))
    starts = _starts(corpus, lambda one: one.hash not in wrong and owners[one.file] in projects)
    yield from _clean(corpus, starts, sizes.clean, rng)


def fix_rows(corpus: Corpus) -> list[int]:
    """The rows of the fixes to judge by."""
    rows, table = corpus.rows("fixes"), corpus.table("fixes")
    return [row for row in rows if not _only_to_learn_from(table.row(row))]


def _only_to_learn_from(fix: Mapping[str, Any]) -> bool:
    return bool(fix.get("silent") or fix.get("partial"))


def made_bugs(corpus: Corpus, sizes: Sizes, seed: int, uniform: bool = False) -> Iterator[Pointer]:
    """Single made bugs, and clean functions of other files: half of all at most.

    ``uniform``: of any kind, also unlikely ones. Raises DataError where there is only one file.
    """
    rng = np.random.default_rng(seed)
    count = sizes.uniform if uniform else sizes.made
    starts = _starts(corpus, lambda one: True)
    clean = min(sizes.uniform if uniform else sizes.clean, -(-len(corpus.functions) // 2))
    taken = list(_clean(corpus, starts, clean, rng))
    paths = {(one.project, one.path) for one in taken}
    left = [corpus.places[place] for place in corpus.places if place not in paths]
    pool = [(row, start) for row in left for start in starts.get(row, [])]
    if not pool:
        raise DataError(
            f"{corpus.folder} is too small: made bugs and clean functions come from different "
            "files; name more code, or other suites (--suite)"
        )
    for index in rng.permutation(len(pool)).tolist():
        if not count:
            break
        row, start = pool[index]
        case = _bug(corpus, row, start, int(rng.integers(2**31)), uniform)
        if case is not None:
            count -= 1
            yield case
    yield from taken


def summaries(corpus: Corpus, sizes: Sizes, seed: int) -> Iterator[Pointer]:
    """Functions whose docstring has a summary."""
    rng = np.random.default_rng(seed)
    found = [one for one in corpus.functions if one.summary]
    for index in rng.permutation(len(found))[: sizes.texts].tolist():
        one = found[index]
        yield _function(corpus, one, None, digest(one.summary.encode()))


def masked_lines(corpus: Corpus, sizes: Sizes, seed: int) -> Iterator[Pointer]:
    """Functions with the span of one line."""
    rng = np.random.default_rng(seed)
    by_id = {one.id: one for one in corpus.functions}
    table = corpus.table("masked_lines")
    rows = corpus.rows("masked_lines")
    count = sizes.texts
    for index in rng.permutation(len(rows)).tolist():
        if not count:
            return
        line = table.row(rows[index])
        one = by_id[line["function_id"]]
        parts = [line[name].encode() for name in ("prefix", "target", "suffix")]
        at = _place(corpus.text(one.file)[one.start :], *parts)
        if at is None:
            continue
        count -= 1
        mask = (one.start + at, one.start + at + len(parts[1]))
        yield _function(corpus, one, mask, digest(parts[1]))


SAMPLERS: dict[str, Callable[[Corpus, Sizes, int], Iterator[Pointer]]] = {
    "real-bugs": real_bugs,
    "summaries": summaries,
    "masked-lines": masked_lines,
    "synthetic": made_bugs,
    "synthetic-uniform": partial(made_bugs, uniform=True),
}


def _place(source: bytes, prefix: bytes, target: bytes, suffix: bytes) -> int | None:
    """Where the masked line starts in a function's source, whose docstring the parts lack."""
    first = len(prefix)
    if source.startswith(prefix + target):
        return first
    last = source.find(target + suffix, first)
    return None if last < 0 else last


def _function(
    corpus: Corpus, one: FunctionRow, mask: tuple[int, int] | None, check: str
) -> FunctionPointer:
    pointer = _pointer(corpus, one.file)
    return FunctionPointer(*pointer, one.start, one.qualname, one.hash, mask, check)


def _starts(corpus: Corpus, keep: Callable[[FunctionRow], bool]) -> dict[int, list[int]]:
    """Row of each file -> where its functions start."""
    found: dict[int, list[int]] = defaultdict(list)
    for one in corpus.functions:
        if keep(one):
            found[one.file].append(one.start)
    return found


def _clean(
    corpus: Corpus, starts: dict[int, list[int]], count: int, rng: np.random.Generator
) -> Iterator[CleanFile]:
    """Whole files until they have so many functions."""
    for row in rng.permutation(sorted(starts)).tolist():
        if count <= 0:
            return
        taken = starts[row][:count]
        count -= len(taken)
        yield CleanFile(*_pointer(corpus, row), tuple(taken))


def _bug(corpus: Corpus, row: int, start: int, seed: int, uniform: bool) -> MadeBug | None:
    data = corpus.text(row)
    found = make_bug(data, start, seed, uniform)
    if found is None:
        return None
    where = _pointer(corpus, row)
    return MadeBug(*where, start, found.qualname, found.kind, seed, found.bug, found.fix)


def _pointer(corpus: Corpus, row: int) -> tuple[str, str, str, str]:
    one = corpus.files.row(row)
    return one["project"], one["commit"], one["path"], digest(one["text"].encode())
