"""Asking one model the cases of each task, and keeping what is needed to compare it with another.

The first model is asked until its share of the time is up, and the second one exactly the same
cases. How many there are is thus decided by the machine's speed, before any result is compared.
What is kept are plain values for JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from codemtl.errors import ModelError
from codemtl.evaluation.cases import TextCase
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.scoring import Guess, Scorer
from codemtl.evaluation.text_suites import line_batch, summarize_batch
from codemtl.finetune.cases import line_cases, real_bugs, repair_blocks, summary_cases
from codemtl.inference.predictor import Predictor

T = TypeVar("T")
BATCH = 4  # texts between two looks at the clock
Kept = dict[str, Any]  # "done": blocks, and the task's rows


def measure_repair(
    predictor: Predictor, corpus: Corpus, seconds: float | None, before: Kept | None = None
) -> Kept:
    """Scores of clean functions with the number of their file, and of made and real bugs.

    A bug's row is [score, located, right]; a score is None where the model says nothing. Real
    bugs are asked first, as there are few of them.
    """
    scorer = Scorer(predictor)
    started = time.monotonic()
    limit = None if seconds is None else seconds / 3
    fixes = real_bugs(corpus)
    real, count = _until(
        limit, [[one] for one in fixes], scorer.scores, _count(before, "real_done")
    )
    left = None if seconds is None else seconds - (time.monotonic() - started)
    kept: Kept = {"clean": [], "bugs": [], "real": [_row(one[0][0].surest) for one in real]}
    blocks, done = _until(left, repair_blocks(corpus), scorer.scores, _count(before, "done"))
    for number, (clean, *bugs) in enumerate(blocks):
        kept["clean"] += [[number, _score(one.surest)] for one in clean]
        kept["bugs"] += [_row(one[0].surest) for one in bugs]
    return {**kept, "done": done, "real_done": count, "real_all": len(fixes)}


def measure_summaries(
    predictor: Predictor, corpus: Corpus, seconds: float | None, before: Kept | None = None
) -> Kept:
    """What the model writes for each function, and the summary in its docstring."""
    return _texts(predictor, summary_cases(corpus), summarize_batch, seconds, before)


def measure_lines(
    predictor: Predictor, corpus: Corpus, seconds: float | None, before: Kept | None = None
) -> Kept:
    """What the model writes for each masked line, and the line."""
    return _texts(predictor, line_cases(corpus), line_batch, seconds, before)


def _texts(
    predictor: Predictor,
    cases: list[TextCase],
    write: Callable[[Predictor, list[TextCase]], list[str]],
    seconds: float | None,
    before: Kept | None,
) -> Kept:
    batches = [cases[low : low + BATCH] for low in range(0, len(cases), BATCH)]
    found, done = _until(
        seconds, batches, lambda batch: write(predictor, batch), _count(before, "done")
    )
    texts = [text for batch in found for text in batch]
    return {"rows": [[t, c.reference] for t, c in zip(texts, cases, strict=False)], "done": done}


MEASURES: dict[str, Callable[[Predictor, Corpus, float | None, Kept | None], Kept]] = {
    "repair": measure_repair,
    "summarize": measure_summaries,
    "generate": measure_lines,
}


def _until(
    seconds: float | None,
    blocks: Iterable[list[T]],
    ask: Callable[[list[T]], list[Any]],
    count: int | None = None,
) -> tuple[list[list[Any]], int]:
    """The answers to each block, until time is up but at least one, or to ``count`` blocks."""
    started = time.monotonic()
    found: list[list[Any]] = []
    for block in islice(blocks, count):
        found.append(ask(block))
        if count is None and seconds is not None and time.monotonic() - started > seconds:
            break
    if count is not None and len(found) != count:
        raise ModelError(f"there were {count} blocks of cases before, and are {len(found)} now")
    return found, len(found)


def _count(before: Kept | None, key: str) -> int | None:
    """How many blocks the first model was asked; None while it is being asked."""
    return None if before is None else int(before[key])


def _score(guess: Guess | None) -> float | None:
    return None if guess is None else guess.score


def _row(guess: Guess | None) -> list[Any]:
    if guess is None:
        return [None, False, False]
    return [guess.score, guess.verdict.located, guess.verdict.right]
