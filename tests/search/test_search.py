"""The loop: what is tried, when it stops, and how progress and the model steer it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.search import search as searching
from codemtl.search import written as writing
from codemtl.search.outcomes import Baseline, TestOutcome, Verdict
from codemtl.search.search import Outcome, search
from codemtl.search.singles import SearchFile, single_edits
from codemtl.syntax.definitions import functions
from codemtl.syntax.files import SourceFile
from codemtl.syntax.results import Generated

PATH = Path("a.py")
SOURCE = b"""def total(items):
    found = 1
    for item in items:
        found -= item
    return found
"""


class Judge:
    """Runs a candidate in this process and says how many of its checks hold in a row."""

    def __init__(
        self, checks: list[Callable[[Callable[..., object]], bool]], at_once: int = 2
    ) -> None:
        self.checks, self.at_once = checks, at_once
        self.waiting: list[tuple[int, bytes]] = []
        self.seen: list[bytes] = []

    @property
    def capacity(self) -> int:
        return self.at_once - len(self.waiting)

    def submit(self, key: int, path: Path, data: bytes, *beside: tuple[Path, bytes]) -> None:
        assert self.capacity > 0
        self.waiting.append((key, data))
        self.seen.append(data)

    def wait(self, timeout: float | None = None) -> list[tuple[int, Verdict]]:
        heard = [(key, self._verdict(data)) for key, data in self.waiting]
        self.waiting.clear()
        return heard

    def _verdict(self, data: bytes) -> Verdict:
        space: dict[str, object] = {}
        try:
            exec(data, space)
            function = space["total"]
            assert callable(function)
            for number, check in enumerate(self.checks):
                if not check(function):
                    return Verdict("failed", progress=number)
        except Exception as error:
            return Verdict("failed", message=str(error))
        return Verdict("passed")


EMPTY = [lambda f: f([]) == 0]
BOTH = [lambda f: f([]) == 0, lambda f: f([3, 4]) == 7, lambda f: f([-3]) == -3]


def run(judge: Judge, predictor: FakePredictor | None = None, **options: object) -> Outcome:
    file = SearchFile.of(SourceFile.from_bytes(SOURCE, PATH), functions)
    baseline = Baseline("failing", tests=(TestOutcome("t", False, 0.1, progress=0),))
    settings = {"seconds": 20.0, **options}
    return search([file], baseline, judge, predictor, **settings)  # type: ignore[arg-type]


def test_kinds_and_comments_decide_what_is_edited() -> None:
    assert not run(Judge(BOTH), kinds=frozenset({"comparison"})).passing
    ignored = SOURCE.replace(b"-= item", b"-= item  # codemtl: ignore")
    file = SearchFile.of(SourceFile.from_bytes(ignored, PATH), functions)
    baseline = Baseline("failing", tests=(TestOutcome("t", False, 0.1, progress=0),))
    judge = Judge(BOTH)
    search([file], baseline, judge, None, seconds=20.0)
    assert judge.seen and all(b"        found -= item  #" in one for one in judge.seen)


def test_a_single_edit_is_found_and_rivals_are_looked_for() -> None:
    judge = Judge(EMPTY)
    outcome = run(judge)
    assert outcome.passing
    assert outcome.tried == len(judge.seen) > outcome.passing[0].tried
    assert b"found = 0" in outcome.passing[0].patched


def test_constants_outside_of_functions_are_edited() -> None:
    source = b"START = 1\n" + SOURCE.replace(b"found = 1", b"found = START")
    file = SearchFile.of(SourceFile.from_bytes(source, PATH), functions)
    baseline = Baseline("failing", tests=(TestOutcome("t", False, 0.1, progress=0),))
    patched = [one.patched for one in search(
        [file], baseline, Judge(EMPTY), None, seconds=20.0
    ).passing]  # fmt: skip
    assert any(text.startswith(b"START = 0\n") for text in patched)
    file.outside = False
    patched = [one.patched for one in search(
        [file], baseline, Judge(EMPTY), None, seconds=20.0
    ).passing]  # fmt: skip
    assert patched and all(text.startswith(b"START = 1\n") for text in patched)


def test_several_checks_are_met_together() -> None:
    best = run(Judge(BOTH)).passing[0]
    assert Judge(BOTH)._verdict(best.patched).status == "passed"
    assert best.tried < 2000


def test_no_text_is_tried_twice() -> None:
    judge = Judge([lambda f: False])
    outcome = run(judge, seconds=3.0)
    assert not outcome.passing
    assert len(set(judge.seen)) == len(judge.seen)


def test_the_time_is_kept() -> None:
    started = time.monotonic()
    outcome = run(Judge([lambda f: False]), seconds=1.0)
    assert time.monotonic() - started < 3
    assert not outcome.passing


def test_no_line_is_written_when_the_time_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def slowly(source: SourceFile, predictor: object, line: int, **_: object) -> Generated:
        asked.append(line)
        time.sleep(1.0)
        return Generated([])

    monkeypatch.setattr(searching, "WRITTEN_AFTER", 0)
    monkeypatch.setattr(writing, "generate_line", slowly)
    file = SearchFile.of(SourceFile.from_bytes(SOURCE, PATH), functions)
    lines = {PATH: frozenset({2, 3, 4, 5})}
    baseline = Baseline("failing", tests=(TestOutcome("t", False, 0.1, lines),))
    search([file], baseline, Judge([lambda f: False]), FakePredictor({}), seconds=1.5)
    assert len(asked) == 1


def test_the_model_moves_its_edit_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LOOKING", 60.0)  # until the model has said what it can
    judge = Judge([lambda f: f([]) == 1 and f([2]) == 3], at_once=1)
    alone = run(judge, order="coverage").passing[0].tried
    helped = run(judge, FakePredictor({"-=": "+="}), order="model").passing[0].tried
    assert helped < alone


def test_orders_try_the_same_single_edits() -> None:
    file = SearchFile.of(SourceFile.from_bytes(SOURCE, PATH), functions)
    baseline = Baseline("failing", tests=(TestOutcome("t", False, 0.1),))
    one = single_edits([file], baseline, FakePredictor({"-=": "+="}))
    two = single_edits([file], baseline, None)
    assert {item.candidate.edits for item in one} == {item.candidate.edits for item in two}


def test_kinds_narrow_the_search() -> None:
    judge = Judge(EMPTY)
    outcome = run(judge, kinds=frozenset({"comparison"}), seconds=2.0)
    assert not outcome.passing and outcome.exhausted


def test_the_generation_head_is_asked_when_nothing_else_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "WRITTEN_AFTER", 5)
    file = SearchFile.of(SourceFile.from_bytes(SOURCE, PATH), functions)
    lines = {PATH: frozenset({2, 3, 4, 5})}
    baseline = Baseline("failing", tests=(TestOutcome("t", False, 0.1, lines),))
    predictor = FakePredictor(generated=["found = sum(items) * 41", "found = )"])
    judge = Judge([lambda f: False])
    search([file], baseline, judge, predictor, seconds=2.0)
    assert any(b"sum(items) * 41" in data for data in judge.seen)
