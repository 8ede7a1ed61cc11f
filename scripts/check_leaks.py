"""That no function of a test or validation split occurs in a later one, exactly or nearly.

    python scripts/check_leaks.py CORPUS [--threshold 0.8] [--show 10] [--jobs 2] [--plant]

CORPUS is what ``codemtl mine`` wrote. Every function of the table ``functions`` and both versions
of every row of ``fixes`` are compared across splits (test before validation before training):
Jaccard similarity of the sets of runs of five tokens, found by MinHash and then computed exactly.

``--plant`` puts a function of the first split, slightly changed, among those of the last one, in
memory only. Exit code 1 if anything is found that was not planted, or the planted one is not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np

from codemtl.corpus.near_duplicates import (
    RUN,
    THRESHOLD,
    VALUES,
    NearPair,
    Signature,
    leaks,
    signature,
    source_runs,
)
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.tree import parse

ORDER = {"test": 0, "validation": 1, "train": 2}
COLUMNS = (("functions", "source"), ("fixes", "before"), ("fixes", "after"))
SOURCES = 256  # that a process takes at a time
PLANTED_RUNS = 60  # at least; of fewer, one changed token is too large a part


class Item(NamedTuple):
    """A function of the corpus."""

    table: str
    column: str
    row: int
    split: str


class Corpus:
    """The functions of a corpus by number; their sources stay on disk."""

    def __init__(self, folder: Path) -> None:
        names = dict.fromkeys(table for table, _ in COLUMNS)
        self.tables: dict[str, Any] = {
            name: datasets.load_from_disk(str(folder / name)) for name in names
        }
        self.items = [
            Item(table, column, row, split)
            for table, column in COLUMNS
            for row, split in enumerate(self.tables[table]["split"])
        ]
        self.planted: str | None = None

    def source(self, number: int) -> str:
        """The source of a function; the one after the last is the planted one."""
        if number == len(self.items):
            return self.planted or ""
        item = self.items[number]
        text: str = self.tables[item.table][item.row][item.column]
        return text

    def sources(self) -> Iterator[str]:
        """All sources in order."""
        for table, column in COLUMNS:
            for row in self.tables[table].select_columns(column):
                yield row[column]
        if self.planted is not None:
            yield self.planted

    def plant(self) -> int:
        """Copy a function of the first split with one name changed; returns its number."""
        first = min(ORDER[item.split] for item in self.items)
        for number, item in enumerate(self.items):
            if ORDER[item.split] == first and len(source_runs(self.source(number))) > PLANTED_RUNS:
                tree = parse(self.source(number).encode())
                name = [token for token in lexical_tokens(tree, tree.root) if token.is_name][-1]
                changed = apply(tree.data, [Edit(name.start, name.end, "planted")])
                self.planted = changed.decode() + "  # planted"
                return number
        raise SystemExit(f"no function has {PLANTED_RUNS} runs of {RUN} tokens; nothing to plant")

    def label(self, number: int) -> str:
        """Where a function comes from, in words."""
        if number == len(self.items):
            return "the planted function"
        item = self.items[number]
        row = self.tables[item.table][item.row]
        return f"{item.split} {row['project']}::{row['qualname']} ({item.table} {item.row})"


def main() -> int:
    options = _arguments()
    print_command()
    start = time.perf_counter()
    corpus = Corpus(options.corpus)
    original = corpus.plant() if options.plant else None
    ranks = [ORDER[item.split] for item in corpus.items]
    if original is not None:
        ranks.append(max(ranks) if max(ranks) > min(ranks) else max(ranks) + 1)
    signatures = np.empty((len(ranks), VALUES), np.uint32)
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        found_signatures = pool.imap(_signature_of, corpus.sources(), chunksize=SOURCES)
        for number, one in enumerate(found_signatures):
            signatures[number] = one
    found = list(
        leaks(
            signatures,
            np.array(ranks, np.int8),
            lambda number: source_runs(corpus.source(number)),
            options.threshold,
        )
    )
    seconds = time.perf_counter() - start
    sizes = Counter(item.split for item in corpus.items)
    print(f"functions: {', '.join(f'{name} {sizes[name]}' for name in ORDER)}; {seconds:.0f} s")
    planted = [pair for pair in found if pair.item == len(corpus.items)]
    rest = [pair for pair in found if pair.item < len(corpus.items)]
    _print(corpus, rest, options.threshold, options.show)
    if original is not None:
        print("planted: " + (f"found, {planted[0].similarity:.3f}" if planted else "not found"))
    return int(bool(rest) or (original is not None and not planted))


def _signature_of(source: str) -> Signature:
    return signature(source_runs(source))


def _print(corpus: Corpus, found: list[NearPair], threshold: float, show: int) -> None:
    tables = Counter(corpus.items[pair.item].table for pair in found)
    print(f"near-duplicates across splits (at least {threshold}): functions "
          f"{tables['functions']}, fixes {tables['fixes']}")  # fmt: skip
    for pair in sorted(found, key=lambda pair: -pair.similarity)[:show]:
        print(f"  {pair.similarity:.3f} {corpus.label(pair.item)} = {corpus.label(pair.guard)}")


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="what codemtl mine wrote")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="Jaccard similarity")
    parser.add_argument("--show", type=int, default=10, help="pairs to print, the worst first")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--plant", action="store_true", help="check that the check works")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
