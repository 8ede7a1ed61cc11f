"""Real examples from data/tiny, and networks of the smallest preset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codemtl.model.config import PRESETS
from codemtl.model.network import Network
from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.tasks import corruption, generate, repair
from codemtl.tasks.batches import Batch, SpecialIds
from codemtl.tasks.example import Example, Layout
from codemtl.tasks.summarize import Summarize
from codemtl.tasks.task import Vocabulary
from codemtl.training.shards import Shards


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def specials() -> SpecialIds:
    return SpecialIds(*range(7))


@pytest.fixture(scope="session")
def layout(tiny: Path) -> Layout:
    return piece_layout(CodeTokenizer.load(tiny))


@pytest.fixture(scope="session")
def examples(tiny: Path) -> list[Example]:
    """Every function of the validation shard: short and long, with and without a summary."""
    shards = Shards(tiny, "validation")
    return [shards[index] for index in range(len(shards))]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(PRESETS["tiny"]).eval()


@pytest.fixture(scope="session")
def batches(examples: list[Example], specials: SpecialIds, layout: Layout) -> dict[str, Batch]:
    """One batch of 20 functions a task; repair once dense, once with single bugs."""
    rng = np.random.default_rng(0)
    usable = [e for e in examples if 0 < len(e.summary) < 64 and len(e.pieces) < 150][:20]
    spans = [(e, generate.choose_span(e, layout, rng, "line")) for e in usable]
    known = [(e, span) for e, span in spans if span is not None]
    return {
        "dense": repair.collate(
            [corruption.corrupt_dense(e, rng) for e in usable], specials, dense=True
        ),
        "repair": repair.collate(
            [corruption.corrupt_single(e, rng, clean=0.3) for e in usable], specials, dense=False
        ),
        "summarize": Summarize().collate(usable, Vocabulary(specials, layout)),
        "generate": generate.collate(
            [e for e, _ in known], [span for _, span in known], Vocabulary(specials, layout)
        ),
    }
