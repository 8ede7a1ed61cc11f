"""The samples that ship, and predictors: all-knowing, silent, and real but untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from codemtl import inference
from codemtl.evaluation.cases import RepairCase, TextCase, repair_cases, text_cases
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import FrozenList, list_name, read_list
from codemtl.evaluation.run import samples_folder
from codemtl.inference import GenerationRequest, Predictor
from codemtl.inference.fake import FakePredictor
from codemtl.syntax.definitions import Definition
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import SourceTree

ROOT = Path(__file__).parents[2]


class Knowing(FakePredictor):
    """Knows the answer of every case, and says nothing about any other function."""

    def __init__(self, bugs: Sequence[RepairCase], texts: Sequence[TextCase]) -> None:
        super().__init__()
        self.bugs = {(one.data, one.starts[0]): one.truth for one in bugs}
        self.summaries = {(one.data, one.start): one.reference for one in texts if not one.mask}
        self.lines = {
            (one.data[: one.mask[0]], one.start): one.reference for one in texts if one.mask
        }

    def repair(
        self, tree: SourceTree, functions: Sequence[Definition], scopes: Scopes
    ) -> list[list[Finding]]:
        return [self._answer(tree, one.node.start_byte) for one in functions]

    def _answer(self, tree: SourceTree, start: int) -> list[Finding]:
        truth = self.bugs.get((tree.data, start))
        if truth is None:
            return []
        old = tree.data[truth.start : truth.end].decode()
        return [Finding(None, truth.kind, truth.start, truth.end, old, truth.after, 0.99, "a bug")]

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        return [self.summaries[tree.data, one.node.start_byte] for one in functions]

    def generate(self, request: GenerationRequest) -> list[str]:
        assert request.tree is not None and request.function is not None
        before = request.tree.data[: request.start]
        return [self.lines[before, request.function.node.start_byte]]


class Silent(FakePredictor):
    """Never says anything."""

    def __init__(self) -> None:
        super().__init__(summary="", generated=())


@pytest.fixture(scope="session")
def samples() -> Corpus:
    return Corpus(samples_folder(), "validation")


@pytest.fixture(scope="session")
def knowing(samples: Corpus) -> Knowing:
    def frozen(suite: str) -> FrozenList:
        return read_list(samples.folder, list_name(suite, "validation"))

    bugs = [
        one
        for suite in ("real-bugs", "synthetic", "synthetic-uniform")
        for one in repair_cases(samples, frozen(suite)).bugs
    ]
    texts = [
        one
        for suite in ("summaries", "masked-lines")
        for one in text_cases(samples, frozen(suite)).cases
    ]
    return Knowing(bugs, texts)


@pytest.fixture
def silent() -> Silent:
    return Silent()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Predictor], None]:
    """Make every command and suite use a predictor."""

    def put(predictor: Predictor) -> None:
        monkeypatch.setattr(inference, "load_predictor", lambda model=None, threads=None: predictor)

    return put
