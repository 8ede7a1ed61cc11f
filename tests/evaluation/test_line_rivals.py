"""The rivals that write a masked line: nothing of the line is seen, what comes is like training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.line_rivals import Place, line_rivals
from codemtl.evaluation.ngram_lines import LineWriter
from codemtl.syntax.lexical import LexicalToken, lexical_tokens
from codemtl.syntax.tree import parse

LOOP = """\
def f{n}(items, limit):
    total = 0
    for item in items:
        total += item * {n}
    return total
"""
WHOLE = LOOP.format(n=3)


def tokens(text: str) -> list[LexicalToken]:
    tree = parse(text.encode())
    return lexical_tokens(tree, tree.root)


def place(line: str) -> Place:
    before, after = WHOLE.split(line)
    return Place(before, after)


class Training(Corpus):
    """A corpus that has training functions and nothing else."""

    def __init__(self) -> None:
        self.split = "test"

    def training_rows(self, name: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
        for number in range(30):
            text = LOOP.format(n=number)
            if name == "functions":
                yield {"source": text}
            else:
                before, after = text.split("total = 0")
                yield {"prefix": before, "target": "total = 0", "suffix": after}


@pytest.mark.parametrize("line", ["total = 0", "for item in items:", "return total"])
def test_lines_like_those_of_training(line: str) -> None:
    texts, count = line_rivals([place(line)], Training(), 0)
    assert count == 30
    assert texts["n-gram"] == [line]
    assert texts["retrieval"] == ["total = 0"]


def test_no_training_functions_no_rival(tmp_path: Path) -> None:
    class Nothing(Training):
        def training_rows(self, name: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
            yield from ()

    assert line_rivals([place("total = 0")], Nothing(), 0) == ({}, 0)


def test_names_that_training_lacks_can_be_written() -> None:
    writer = LineWriter.train([tokens(LOOP.format(n=number)) for number in range(30)])
    other = WHOLE.replace("total", "mass")
    before, after = other.split("return mass")
    head = tokens(before + "pass")[:-1]
    lines = writer.write(head, tokens(after))
    assert lines[0] == "return total"  # as always in training
    assert "return mass" in lines
