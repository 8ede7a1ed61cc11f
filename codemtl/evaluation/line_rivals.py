"""The rivals that write a masked line: the line of the most similar place, and an n-gram model.

A place is the text of a function (or file) before the line and after it. Both learn from functions
of the training split alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from codemtl.evaluation.cases import hidden
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.ngram_lines import LineWriter
from codemtl.evaluation.retrieval import Retrieval, words
from codemtl.syntax.lexical import LexicalToken, lexical_tokens
from codemtl.syntax.tree import error_count, parse

FUNCTIONS = 50_000  # of the training split
_NEAR = 2  # lines around a masked one by which similar places are found


class Place(NamedTuple):
    """What stands before a line, its indentation last, and after it, its line break first."""

    before: str
    after: str


def line_rivals(
    places: Sequence[Place], corpus: Corpus, seed: int
) -> tuple[dict[str, list[str]], int]:
    """A line for each place by each rival, and from how many functions they learned.

    There is no rival where the corpus has no training functions.
    """
    lines = list(corpus.training_rows("masked_lines", FUNCTIONS, seed))
    if not lines:
        return {}, 0
    index = Retrieval([_surroundings(row["prefix"], row["suffix"]) for row in lines])
    nearest = [index.nearest(_surroundings(*place)) for place in places]
    functions = corpus.training_rows("functions", FUNCTIONS, seed)
    writer = LineWriter.train(_tokens(row["source"].encode()) for row in functions)
    return {
        "retrieval": ["" if found is None else lines[found]["target"] for found in nearest],
        "n-gram": [_continued(writer, place) for place in places],
    }, len(lines)


def _continued(writer: LineWriter, place: Place) -> str:
    head, tail = place.before.encode(), place.after.encode()
    stand_in = hidden(head + tail, (len(head), len(head)))
    tokens = _tokens(head + stand_in + tail)
    here = [token for token in tokens if token.start <= len(head)]
    before = here if here and here[-1].text.startswith("\n") else here[:-1]  # less the stand-in
    after = [token for token in tokens if token.start >= len(head) + len(stand_in)]
    for line in writer.write(before, after):
        if error_count(parse(head + line.encode() + tail)) <= error_count(
            parse(head + stand_in + tail)
        ):
            return line
    return ""


def _tokens(data: bytes) -> list[LexicalToken]:
    tree = parse(data)
    return lexical_tokens(tree, tree.root)


def _surroundings(prefix: str, suffix: str) -> list[str]:
    """The words of the lines around a masked one."""
    before = [line for line in prefix.splitlines() if line.strip()][-_NEAR:]
    after = [line for line in suffix[:2000].splitlines() if line.strip()][:_NEAR]
    return words("\n".join([*before, *after]))
