"""One model for many who ask: long work is given to it in parts, between which others have a turn.

Work that nobody waits for any more ends with the part that it is at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from codemtl.inference.predictor import TOP_EDITS, GenerationRequest, Predictor
from codemtl.syntax.definitions import Definition
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import SourceTree

T = TypeVar("T")
PART = 4_000  # bytes of functions, about two of the model's batches
AROUND = 250  # bytes, what else the model reads with a function


class Abandoned(Exception):
    """Nobody waits for the answer."""


class Turns:
    """A predictor that runs in a thread of its own, for whoever comes first."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.thread = ThreadPoolExecutor(1)

    def until(self, abandoned: Callable[[], bool]) -> Predictor:
        """The predictor for one piece of work, which ends by `Abandoned` once that is true."""
        return _Asker(self, abandoned)


class _Asker:
    """See ``inference.predictor.Predictor``."""

    def __init__(self, turns: Turns, abandoned: Callable[[], bool]) -> None:
        self.turns, self.abandoned, self.predictor = turns, abandoned, turns.predictor
        self.name, self.revision = self.predictor.name, self.predictor.revision
        self.device, self.calibration = self.predictor.device, self.predictor.calibration

    def repair(
        self,
        tree: SourceTree,
        functions: Sequence[Definition],
        scopes: Scopes,
        limit: int = TOP_EDITS,
    ) -> list[list[Finding]]:
        """A part of the functions at a time."""
        return self._in_parts(
            functions, lambda part: self.predictor.repair(tree, part, scopes, limit)
        )

    def remember(self, windows: int) -> None:
        """The predictor is told where it is loaded."""
        self.predictor.remember(windows)

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """A part of the functions at a time."""
        return self._in_parts(functions, lambda part: self.predictor.summarize(tree, part))

    def generate(self, request: GenerationRequest) -> list[str]:
        """All at once: it is one text."""
        return self._turn(lambda: self.predictor.generate(request))

    def likelihoods(self, request: GenerationRequest, texts: Sequence[str]) -> list[float]:
        """All at once: it is one line."""
        return self._turn(lambda: self.predictor.likelihoods(request, texts))

    def _in_parts(
        self, functions: Sequence[Definition], ask: Callable[[Sequence[Definition]], list[T]]
    ) -> list[T]:
        found: dict[int, T] = {}
        for part in _parts(functions):
            chosen = [functions[index] for index in part]
            found.update(zip(part, self._turn(partial(ask, chosen)), strict=True))
        return [found[index] for index in range(len(functions))]

    def _turn(self, ask: Callable[[], T]) -> T:
        def asked() -> T:
            if self.abandoned():
                raise Abandoned
            return ask()

        return self.turns.thread.submit(asked).result()


def _parts(functions: Sequence[Definition]) -> Iterator[list[int]]:
    """Functions of similar length together, as the model looks at them anyway."""
    lengths = [one.node.end_byte - one.node.start_byte for one in functions]
    part: list[int] = []
    for index in sorted(range(len(functions)), key=lengths.__getitem__):
        if part and (len(part) + 1) * (lengths[index] + AROUND) > PART:
            yield part
            part = []
        part.append(index)
    if part or not functions:  # it is asked of none as it would be without parts
        yield part
