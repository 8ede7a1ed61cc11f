"""The prepared dataset of the repository, and its parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import Layout
from codemtl.training.shards import Shards


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shards(tiny: Path) -> Shards:
    return Shards(tiny, "train")


@pytest.fixture(scope="session")
def specials() -> SpecialIds:
    return SpecialIds(*range(7))


@pytest.fixture(scope="session")
def layout(tiny: Path) -> Layout:
    return piece_layout(CodeTokenizer.load(tiny))
