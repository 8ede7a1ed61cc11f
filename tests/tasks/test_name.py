"""Method naming: the name is nowhere to be read, and the answer is measured as published."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.definitions import functions
from codemtl.syntax.sites import FunctionSites
from codemtl.syntax.tree import parse
from codemtl.tasks.building import build_example
from codemtl.tasks.example import Example, piece_ids
from codemtl.tasks.name import Name, subtokens
from codemtl.tasks.task import Vocabulary

NAME = Name()
SOURCE = """
    def count_all(tree):
        total = self.count_all(tree.left) + count(tree) + recount_all
        return [count_all(one) for one in total.count_all_of]
    async def wait ( ) -> int:
        pass
    def größer[T](x): return größer
    def __init__(self): super().__init__()
"""


@pytest.fixture(scope="module")
def made(tokenizer: CodeTokenizer) -> list[Example]:
    """Live functions; the file's context names the first one."""
    tree = parse(textwrap.dedent(SOURCE).encode())
    context = ["alias = count_all", "def count_all_of(x)"]
    return [
        build_example(tree, one.node, FunctionSites([], []), context, tokenizer)
        for one in functions(tree)
    ]


def shown(tokenizer: CodeTokenizer, pieces: np.ndarray) -> str:
    """Pieces as text, the mask as ``?``."""
    mask = tokenizer.mask_id
    return "".join("?" if p == mask else tokenizer.decode([p]) for p in piece_ids(pieces).tolist())


def test_the_target_is_the_name(
    made: list[Example], vocabulary: Vocabulary, tokenizer: CodeTokenizer
) -> None:
    names = [tokenizer.decode(NAME.target(e, vocabulary).tolist()) for e in made]
    assert names == ["count_all", "wait", "größer", "__init__"]


def test_the_name_is_masked_wherever_the_word_stands(
    made: list[Example], vocabulary: Vocabulary, tokenizer: CodeTokenizer
) -> None:
    first, *_, third, last = (shown(tokenizer, NAME.prompt(e, vocabulary)) for e in made)
    assert first == (
        "alias=?\ndefcount_all_of(x)\n"
        "def?(tree):\n    total=self.?(tree.left)+count(tree)+recount_all\n"
        "    return[?(one)foroneintotal.count_all_of]"
    )
    assert third.endswith("def?[T](x):\n    return?")
    assert last.endswith("def?(self):\n    super().?()")


def test_code_without_a_name_teaches_nothing(made: list[Example], vocabulary: Vocabulary) -> None:
    broken = made[1]
    broken.pieces = broken.pieces[:2]
    assert not len(NAME.target(broken, vocabulary))
    batch = NAME.collate([broken, made[0]], vocabulary)
    assert batch.task == "name" and batch.arrays["labels"].shape[0] == 1
    assert NAME.collate([broken], vocabulary).counts == {"text": 1.0}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("get_size", ["get", "size"]), ("getHTTPResponse2", ["get", "http", "response", "2"]),
        ("_X", ["x"]), ("größerAls", ["größer", "als"]), ("__", []), ("", []),
    ],
)  # fmt: skip
def test_names_have_subtokens(name: str, parts: list[str]) -> None:
    assert subtokens(name) == parts


def test_measures() -> None:
    found = NAME.measure(
        ["get_size", "fileSize", "get_get_x", "", "__init__"],
        ["file_size", "fileSize", "get_y_z", "run", "__init__"],
    )
    right, told, there = 1 + 2 + 1, 2 + 2 + 3, 2 + 2 + 3 + 1
    assert found == pytest.approx({
        "exact_match": 1 / 4, "subtoken_precision": right / told, "subtoken_recall": right / there,
        "subtoken_f1": 2 * right / (told + there),
    })  # fmt: skip
    assert set(NAME.measure([], []).values()) == {0.0}
