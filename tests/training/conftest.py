"""The prepared dataset of the repository, and its parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import Layout
from codemtl.training.shards import Shards

TINY = Path(__file__).parents[2] / "data" / "tiny"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Path:
    return TINY


@pytest.fixture(scope="session")
def shards() -> Shards:
    return Shards(TINY, "train")


@pytest.fixture(scope="session")
def specials() -> SpecialIds:
    return SpecialIds(*range(7))


@pytest.fixture(scope="session")
def layout() -> Layout:
    return piece_layout(CodeTokenizer.load(TINY))
