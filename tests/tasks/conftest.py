"""A few real functions as examples, with a tokenizer trained on them."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
import pytest

from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.syntax.context import FileFacts
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.building import build_example
from codemtl.tasks.decoys import draw_decoys
from codemtl.tasks.example import Example
from codemtl.tasks.task import Vocabulary


@pytest.fixture(scope="session")
def trees() -> list[SourceTree]:
    """Two modules of the standard library."""
    return [parse(Path(module.__file__).read_bytes()) for module in (argparse, textwrap)]


@pytest.fixture(scope="session")
def tokenizer(trees: list[SourceTree]) -> CodeTokenizer:
    """Small, but real."""
    return CodeTokenizer.train([tree.data.decode() for tree in trees], vocab_size=1024)


@pytest.fixture(scope="session")
def vocabulary(tokenizer: CodeTokenizer) -> Vocabulary:
    return Vocabulary(special_ids(tokenizer), piece_layout(tokenizer))


@pytest.fixture(scope="session")
def examples(trees: list[SourceTree], tokenizer: CodeTokenizer) -> list[Example]:
    """Every function of the modules."""
    made = []
    rng = np.random.default_rng(0)
    for tree in trees:
        scopes, facts = analyze(tree), FileFacts(tree)
        for definition in functions(tree):
            found = enumerate_sites(tree, definition.node, scopes)
            context = facts.context(definition)
            example = build_example(
                tree, definition.node, found, context, tokenizer, summary="Return the value."
            )
            example.decoys = draw_decoys(example, scopes, rng)
            made.append(example)
    return made
