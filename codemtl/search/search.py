"""The search itself: candidates by probability, as many at once as there are workers, until tests
pass or the time has gone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from codemtl.errors import CodemtlError, EditError
from codemtl.inference.generate import generate_line
from codemtl.inference.predictor import Predictor
from codemtl.inference.project import Projects, ages
from codemtl.search.candidates import Candidate, Normalizer, function_candidates, ranked
from codemtl.search.localization import Suspicion
from codemtl.search.outcomes import Baseline, Verdict
from codemtl.search.patches import Passing
from codemtl.search.priors import RULES
from codemtl.search.queue import CandidateQueue, Item
from codemtl.search.view import FunctionView
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit, common_prefix
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import is_suppressed, suppressions
from codemtl.syntax.positions import Positions
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.tree import SourceTree, parse

Order = Literal["model", "coverage", "random"]
MODEL_EDITS = 400  # of a function, that the repair head ranks
WRITTEN_LINES, WRITTEN_EACH = 3, 24  # lines that the generation head writes anew, and how often
WRITTEN_AFTER = 400  # candidates without success after which it is asked
WRITING = 5.0  # seconds that a line is thought to take before one has been written
MORE, MORE_SECONDS = 40, 2.0  # candidates and time spent on rivals of a patch that passes
ENOUGH = 12  # passing patches


class Judge(Protocol):
    """What the search needs of a validator."""

    @property
    def capacity(self) -> int:
        """How many candidates may be submitted now."""
        ...

    def submit(self, key: int, path: Path, data: bytes) -> None:
        """Have a file's new bytes judged."""
        ...

    def wait(self, timeout: float | None = None) -> list[tuple[int, Verdict]]:
        """Verdicts that have come; at least one unless the time ends first."""
        ...


@dataclass(slots=True)
class SearchFile:
    """A file that the search may change, and the functions of it that count."""

    source: SourceFile
    functions: Sequence[Definition]
    tree: SourceTree
    scopes: Scopes

    @property
    def path(self) -> Path:
        """The real file, as the tests' outcomes name it."""
        return self.source.resolved or self.source.path

    @classmethod
    def of(
        cls, source: SourceFile, choose: Callable[[SourceTree], Sequence[Definition]]
    ) -> SearchFile:
        """Parse a file and choose its functions."""
        tree = parse(source.data, Projects().beside(source), ages(source))
        return cls(source, choose(tree), tree, analyze(tree))


@dataclass(slots=True)
class Outcome:
    """What a search found: passing patches in the order of finding."""

    passing: list[Passing] = field(default_factory=list)
    tried: int = 0
    seconds: float = 0.0
    exhausted: bool = False  # every candidate was tried
    failed: set[tuple[Path, tuple[Edit, ...]]] = field(default_factory=set)


def search(
    files: Sequence[SearchFile],
    baseline: Baseline,
    judge: Judge,
    predictor: Predictor | None,
    *,
    seconds: float,
    order: Order = "model",
    kinds: frozenset[str] | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Look for patches that make the failing tests pass.

    ``order`` "coverage" leaves the model out, "random" shuffles the same single edits.
    """
    started = time.monotonic()
    deadline = started + seconds
    items = single_edits(files, baseline, predictor if order == "model" else None)
    wanted = _Wanted(files, kinds)
    items = [item for item in items if wanted(item)]
    if order == "random":
        random.Random(seed).shuffle(items)
        items = [
            Item(path, _weighted(one, 1 / (number + 1))) for number, (path, one) in enumerate(items)
        ]
    run = _Run(files, baseline, judge, items, deadline, progress)
    if order == "model":
        run.writer = (
            [item for item in items if wanted(item)]
            for items in _written(files, baseline, predictor)
        )
    outcome = run.go()
    outcome.seconds = time.monotonic() - started
    return outcome


class _Wanted:
    """Whether the user wants an edit: its kind, and no comment that ignores it on its lines."""

    def __init__(self, files: Sequence[SearchFile], kinds: frozenset[str] | None) -> None:
        self.kinds = kinds
        self.ignored = {file.path: suppressions(file.tree) for file in files}
        self.positions = {file.path: Positions(file.tree.data) for file in files}

    def __call__(self, item: Item) -> bool:
        kind, path = item.candidate.kind, item.path
        if self.kinds is not None and kind not in self.kinds:
            return False
        return not any(
            is_suppressed(kind, edit.start, edit.end, self.ignored[path], self.positions[path])
            for edit in item.candidate.edits
        )


def _weighted(one: Candidate, weight: float) -> Candidate:
    return Candidate(one.edits, weight, one.rule, one.kind, one.function)


def single_edits(
    files: Sequence[SearchFile], baseline: Baseline, predictor: Predictor | None
) -> list[Item]:
    """The candidates of one edit (or of one change in several places), most probable first."""
    every: list[Item] = []
    scores: dict[Path, dict[Edit, float]] = {}
    for file in files:
        path = file.path
        suspicion = Suspicion(file.tree, path, baseline)
        functions = [one for one in file.functions if suspicion.covers(one.node)]
        outer = [one for one in functions if not any(_holds(two, one) for two in functions)]
        for function in outer:
            if function.node.has_error:
                continue
            view = FunctionView(file.tree, function, file.scopes)
            every += [Item(path, one) for one in function_candidates(view, suspicion)]
        if predictor is not None:
            scores[path] = _model_scores(file, functions, predictor, suspicion)
    mixed: list[Item] = []
    by_path: dict[Path, list[Candidate]] = {}
    for path, one in every:
        by_path.setdefault(path, []).append(one)
    total = sum(one.weight for _, one in every) or 1.0
    for path, candidates in by_path.items():
        share = sum(one.weight for one in candidates) / total
        for one in ranked(candidates, scores.get(path, {})):
            mixed.append(Item(path, _weighted(one, one.weight * share)))
    return sorted(mixed, key=lambda item: -item.candidate.weight)


def _holds(outer: Definition, inner: Definition) -> bool:
    return outer is not inner and outer.start <= inner.start and inner.end <= outer.end


def _model_scores(
    file: SearchFile, functions: Sequence[Definition], predictor: Predictor, suspicion: Suspicion
) -> dict[Edit, float]:
    """The repair head's probability of each edit, times how suspicious its place is."""
    scores: dict[Edit, float] = {}
    sound = [one for one in functions if not one.node.has_error]
    for found in predictor.repair(file.tree, sound, file.scopes, MODEL_EDITS):
        total = sum(one.confidence for one in found)
        for one in found:
            edit = Edit(one.start, one.end, one.replacement)
            weight = suspicion(one.start, one.end) * one.confidence / total if total else 0.0
            scores[edit] = max(scores.get(edit, 0.0), weight)
    return scores


def _written(
    files: Sequence[SearchFile], baseline: Baseline, predictor: Predictor | None
) -> Iterator[list[Item]]:
    """What the generation head would write in the most suspicious lines, a line at a time."""
    if predictor is None:
        return
    lines = []
    for file in files:
        suspicion = Suspicion(file.tree, file.path, baseline)
        spans = [(one.node.start_point[0] + 2, one.node.end_point[0] + 1) for one in file.functions]
        for line, weight in suspicion.lines.items():
            if any(first <= line <= last for first, last in spans):
                lines.append((weight, -line, file))
    lines.sort(key=lambda row: row[:2], reverse=True)
    for weight, negative, file in lines[:WRITTEN_LINES]:
        try:
            texts = generate_line(
                file.source, predictor, -negative, candidates=WRITTEN_EACH, beside=file.tree.beside
            ).candidates
        except CodemtlError:
            continue
        items = []
        for rank, one in enumerate(texts):
            if one.patched is not None and one.patched != file.source.data:
                edit = _difference(file.source.data, one.patched)
                share = RULES["written"].weight * weight / (1 + rank) / 1e4
                kind = RULES["written"].kind
                items.append(Item(file.path, Candidate((edit,), share, "written", kind, None)))
        yield items


def _difference(old: bytes, new: bytes) -> Edit:
    """The one edit from ``old`` to ``new``."""
    start = common_prefix(old, new)
    tail = min(common_prefix(old[::-1], new[::-1]), min(len(old), len(new)) - start)
    while start and old[start : start + 1] and 0x80 <= old[start] < 0xC0:
        start -= 1  # not within a character
    while tail and 0x80 <= old[len(old) - tail] < 0xC0:
        tail -= 1
    return Edit(start, len(old) - tail, new[start : len(new) - tail].decode())


class _Run:
    """One search in progress."""

    def __init__(
        self,
        files: Sequence[SearchFile],
        baseline: Baseline,
        judge: Judge,
        items: Sequence[Item],
        deadline: float,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.files = {file.path: file for file in files}
        self.normalizers = {path: Normalizer(file.tree) for path, file in self.files.items()}
        self.judge, self.queue, self.deadline = judge, CandidateQueue(items), deadline
        self.progress = progress
        self.writer: Iterator[list[Item]] = iter(())
        self.outcome = Outcome()
        self.pending: dict[int, tuple[Item, int]] = {}
        self.writing = min(WRITING, max(0.0, deadline - time.monotonic()) / 4)
        self.reached = max((test.progress for test in baseline.failing), default=0)
        self.failing = len(baseline.failing)

    def go(self) -> Outcome:
        """Try candidates until there is enough, nothing is left, or the time is over."""
        outcome = self.outcome
        stop: tuple[int, float] | None = None  # number tried and time at which rivals end
        while True:
            now = time.monotonic()
            if now >= self.deadline or len(outcome.passing) >= ENOUGH:
                break
            if stop is not None and (outcome.tried >= stop[0] or now >= stop[1]):
                break
            self._fill()
            if not self.pending:
                outcome.exhausted = True
                break
            limit = min(self.deadline, stop[1] if stop else self.deadline) - time.monotonic()
            for key, verdict in self.judge.wait(max(0.0, limit)):
                self._hear(key, verdict)
            if outcome.passing and stop is None:
                stop = (outcome.tried + MORE, time.monotonic() + MORE_SECONDS)
            if self.progress is not None:
                self.progress(outcome.tried)
        return outcome

    def _fill(self) -> None:
        while self.judge.capacity > 0:
            if self.outcome.tried >= WRITTEN_AFTER and not self.outcome.passing:
                self._write()
            item = self._next()
            if item is None:
                return
            self.outcome.tried += 1
            key = self.outcome.tried
            self.pending[key] = (item, key)
            source = self.files[item.path].source
            self.judge.submit(key, item.path, source.raw(item.candidate.text(source.data)))

    def _write(self) -> None:
        """Have one more line written, if there is time for it: it cannot be stopped."""
        began = time.monotonic()
        if began + self.writing < self.deadline:
            self.queue.add(next(self.writer, []))
            self.writing = max(self.writing, time.monotonic() - began)

    def _next(self) -> Item | None:
        for item in self.queue:
            try:
                if self.normalizers[item.path].is_new(item.candidate.edits):
                    return item
            except EditError:
                continue
            if time.monotonic() >= self.deadline:
                return None
        return None

    def _hear(self, key: int, verdict: Verdict) -> None:
        item, number = self.pending.pop(key)
        if verdict.status == "passed":
            data = self.files[item.path].source.data
            self.outcome.passing.append(Passing(item.path, item.candidate, data, number))
            return
        self.outcome.failed.add((item.path, item.candidate.edits))
        nearer = verdict.fixed > 0 or (self.failing == 1 and verdict.progress > self.reached)
        if verdict.status == "failed" and nearer:
            self.queue.promising(item)
