"""How a function of live source is read by a network, and which are read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from codemtl.model.config import ModelConfig
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.actions import FunctionSites
from codemtl.syntax.definitions import Definition
from codemtl.syntax.tree import SourceTree
from codemtl.tasks.building import build_example, model_context
from codemtl.tasks.example import Example, Layout, windows

BATCH_PIECES = 1024  # padded, that are looked at together; of more the caches hold less


def read(
    tree: SourceTree,
    function: Definition,
    sites: FunctionSites,
    tokenizer: CodeTokenizer,
    layout: Layout,
    config: ModelConfig,
) -> list[Example]:
    """The windows of a function, each with the context that the file gives it."""
    example = build_example(
        tree, function.node, sites, model_context(tree, function), tokenizer,
        context_limit=config.context_limit,
    )  # fmt: skip
    return windows(example, config.window, layout)


def by_length(items: Sequence[Any], lengths: Sequence[int]) -> Iterator[list[Any]]:
    """Items of similar length together, at most BATCH_PIECES padded pieces a batch."""
    order = sorted(range(len(items)), key=lambda index: lengths[index])
    batch: list[Any] = []
    for index in order:
        if batch and (len(batch) + 1) * (lengths[index] + 80) > BATCH_PIECES:
            yield batch
            batch = []
        batch.append(items[index])
    if batch:
        yield batch
