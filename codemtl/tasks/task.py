"""What the training system asks of a task, so that a new one is one file and a line in `registry`.

    Task               which examples it can learn from, its micro-batches, its loss, its score
      TextTask         writes text by a decoder of its own over the shared encoder
        FunctionToText says what is read of a function and what is to be written of it

A task has no state: all that is random in a micro-batch comes from its `Draw`. README.md beside
this file tells how to add a task.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from codemtl.tasks.batches import Batch, SpecialIds, text_arrays
from codemtl.tasks.example import Example, Ints, Layout

CLEAN = 0.5  # share of the functions without a bug, where the others have one each


class Vocabulary(NamedTuple):
    """What a task may know of the pieces."""

    specials: SpecialIds
    layout: Layout


class Columns(Protocol):
    """What is known of all examples without reading them. F examples."""

    @property
    def lengths(self) -> NDArray[Any]:
        """[F] words of each function and its context."""
        ...

    @property
    def summaries(self) -> NDArray[Any]:
        """[F] pieces of each summary, 0 where there is none."""
        ...

    @property
    def siblings(self) -> NDArray[Any]:
        """[F] pieces of the other functions of the file, 0 where they are not read."""
        ...

    @property
    def site_counts(self) -> NDArray[Any]:
        """[F] sites of candidate edits."""
        ...

    @property
    def buggy(self) -> NDArray[Any]:
        """[F] whether it is a function with a real bug: code that nobody should learn to write."""
        ...


@dataclass(frozen=True, slots=True)
class Draw:
    """The place of a micro-batch in the run: its random numbers follow from it alone."""

    seed: int
    epoch: int  # of the task
    number: int  # among the task's micro-batches
    indices: Sequence[int]  # of its examples in the data
    stage: str  # of the task's curriculum, "" without one
    others: Sequence[Example | None] = ()  # label noise: whose labels an example gets, if any
    clean: float = CLEAN  # share of its functions that stay as they are

    def once(self) -> np.random.Generator:
        """One generator for the whole micro-batch."""
        return np.random.default_rng((self.seed, self.epoch, self.number))

    def each(self) -> list[np.random.Generator]:
        """One generator for each example."""
        return [np.random.default_rng((self.seed, self.epoch, int(i))) for i in self.indices]

    def wrong(self) -> Sequence[Example | None]:
        """For each example the one whose labels it gets instead of its own, or None."""
        return self.others or [None] * len(self.indices)


class Task(ABC):
    """One task of the mixture."""

    name: ClassVar[str]  # in configurations and logs, and of the head in the network
    terms: ClassVar[tuple[str, ...]]  # of its loss; ``Batch.counts`` has what each is divided by
    stages: ClassVar[tuple[str, ...]] = ()  # that a curriculum may name
    curriculum: ClassVar[Mapping[str, float]] = {}  # where the configuration names none
    # X -> Y: X_correct of the head over the count of term Y is the measure X_accuracy
    accuracies: ClassVar[Mapping[str, str]]
    score: ClassVar[str]  # the measure, 0 to 1, by which the checkpoint is chosen too; "": none
    real_score: ClassVar[str] = ""  # its like on real cases; where a run has any, it counts as much

    @abstractmethod
    def usable(self, data: Columns) -> NDArray[np.bool_]:
        """[F] which examples it can learn from."""

    def lengths(self, data: Columns) -> NDArray[np.integer[Any]]:
        """[F] words that the encoder reads, about: what is alike goes into one micro-batch."""
        return data.lengths

    @abstractmethod
    def batch(self, examples: Sequence[Example], vocabulary: Vocabulary, draw: Draw) -> Batch:
        """A micro-batch of examples."""


class TextTask(Task):
    """Its head is a `model.text_head.TextHead`, made by the network for every such task."""

    terms = ("text",)
    accuracies: ClassVar[Mapping[str, str]] = {"text": "text"}
    score = "text_accuracy"  # of pieces, each after the right ones before it
    limit: ClassVar[int] = 64  # pieces of a text at most, its end included
    beams: ClassVar[int] = 4  # hypotheses of the search
    no_repeat: ClassVar[int] = 0  # no run of so many pieces is written twice; 0: any may be
    written: ClassVar[bool] = False  # validation lets the model write, and calls ``measure``

    def usable(self, data: Columns) -> NDArray[np.bool_]:
        """[F] every function without a real bug."""
        found: NDArray[np.bool_] = ~data.buggy
        return found

    def text(self, written: str) -> str:
        """The answer in what the decoder wrote."""
        return " ".join(written.split())

    def measure(self, texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """Measures of answers against one reference each, by name; asked if ``written``."""
        return {}


class FunctionToText(TextTask):
    """A function in, one text out."""

    @abstractmethod
    def prompt(self, example: Example, vocabulary: Vocabulary) -> Ints:
        """What the encoder reads, as `batches.encoder_input` makes it."""

    @abstractmethod
    def target(self, example: Example, vocabulary: Vocabulary) -> Ints:
        """Ids of the pieces to be written, fewer than ``limit``; none: nothing can be learned."""

    def batch(self, examples: Sequence[Example], vocabulary: Vocabulary, draw: Draw) -> Batch:
        """A micro-batch of those examples that have a target."""
        told = [
            own if other is None else other
            for other, own in zip(draw.wrong(), examples, strict=True)
        ]
        return self.collate(examples, vocabulary, told)

    def collate(
        self,
        examples: Sequence[Example],
        vocabulary: Vocabulary,
        told: Sequence[Example] | None = None,
    ) -> Batch:
        """The same, nothing of it random; ``told`` are examples whose targets are taken instead."""
        pairs = [
            (example, self.target(other, vocabulary))
            for example, other in zip(examples, told or examples, strict=True)
        ]
        pairs = [pair for pair in pairs if len(pair[1])] or pairs[:1]
        inputs = [self.prompt(example, vocabulary) for example, _ in pairs]
        arrays, counts = text_arrays(vocabulary.specials, inputs, [target for _, target in pairs])
        return Batch(self.name, arrays, counts)
