"""The search itself: candidates by probability, as many at once as there are workers, until tests
pass or the time has gone.

Tests run in processes of their own; meanwhile a thread looks for more candidates, asks the repair
head about them, and has the generation head write lines.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from codemtl.inference.predictor import Predictor
from codemtl.search.background import Background
from codemtl.search.candidates import Candidate, Normalizer
from codemtl.search.outcomes import Baseline, Verdict
from codemtl.search.patches import Passing
from codemtl.search.queue import MENDING, PROMISING, CandidateQueue, Item
from codemtl.search.singles import SearchFile, Singles, single_edits
from codemtl.search.undefined import undefined
from codemtl.search.undone import undone
from codemtl.search.written import written
from codemtl.syntax.edits import Edit
from codemtl.syntax.findings import is_suppressed, suppressions
from codemtl.syntax.positions import Positions

Order = Literal["model", "coverage", "random"]
LOOKING = 0.5  # seconds that candidates are looked for before the first one is tried
WRITTEN_AFTER = 400  # candidates without success after which lines are written,
WRITTEN_AFTER_SECONDS = 10.0  # or seconds
MORE, MORE_SECONDS = 40, 2.0  # candidates and time spent on rivals of a patch that passes
ENOUGH = 12  # passing patches
POLL = 0.1  # seconds after which one looks what the thread has found


class Judge(Protocol):
    """What the search needs of a validator."""

    @property
    def capacity(self) -> int:
        """How many candidates may be submitted now."""
        ...

    def submit(self, key: int, path: Path, data: bytes, *beside: tuple[Path, bytes]) -> None:
        """Have the new bytes of a file, and of others beside it, judged."""
        ...

    def wait(self, timeout: float | None = None) -> list[tuple[int, Verdict]]:
        """Verdicts that have come; at least one unless the time ends first."""
        ...


@dataclass(slots=True)
class Outcome:
    """What a search found: passing patches in the order of finding."""

    passing: list[Passing] = field(default_factory=list)
    tried: int = 0
    exhausted: bool = False  # every candidate was tried
    nearest: Item | None = None  # of those that fail, the first that mends most tests
    mended: int = 0  # how many


class _Found(NamedTuple):
    """What the thread has found: items that are new, or all of them in a new order."""

    items: list[Item]
    anew: bool


def search(
    files: Sequence[SearchFile],
    baseline: Baseline,
    judge: Judge,
    predictor: Predictor | None,
    *,
    seconds: float,
    order: Order = "model",
    kinds: frozenset[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Look for patches that make the failing tests pass.

    ``order`` "coverage" leaves the model out, "random" shuffles the same single edits.
    """
    deadline = time.monotonic() + seconds
    run = _Run(files, judge, baseline, deadline, _Wanted(files, kinds), progress)
    model = predictor if order == "model" else None
    try:
        if order == "random":
            run.begin(_shuffled(single_edits(files, baseline, None)))
        else:
            singles, first = Singles(files, baseline), first_candidates(files, baseline)
            everything = singles.look(LOOKING)
            more = _rest(singles, first, everything, model)
            run.begin([*first, *singles.items()], more)
        if model is not None:
            run.writer = lambda: (
                _Found(items, False) for items in written(files, baseline, model, deadline)
            )
        return run.go()
    finally:
        run.close()


def first_candidates(files: Sequence[SearchFile], baseline: Baseline) -> list[Item]:
    """What needs no template: undefined names, and what changed since the last commit."""
    return [*undefined(files, baseline), *undone(files, baseline)]


def _shuffled(items: list[Item]) -> list[Item]:
    random.Random(0).shuffle(items)
    return [
        Item(path, replace(one, weight=1 / (number + 1)))
        for number, (path, one, _) in enumerate(items)
    ]


def _rest(
    singles: Singles, first: list[Item], everything: bool, predictor: Predictor | None
) -> Iterator[_Found | None]:
    """The candidates that were not looked for yet, and then the order in which the model helps."""
    if not everything:
        while not singles.look(LOOKING):
            yield None
        yield _Found([*first, *singles.items()], True)
    if predictor is not None:
        yield from singles.ask(predictor)
        yield _Found([*first, *singles.items()], True)


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
        if not self.ignored[path]:
            return True
        return not any(
            is_suppressed(kind, edit.start, edit.end, self.ignored[path], self.positions[path])
            for edit in item.candidate.edits
        )


class _Run:
    """One search in progress."""

    def __init__(
        self,
        files: Sequence[SearchFile],
        judge: Judge,
        baseline: Baseline,
        deadline: float,
        wanted: _Wanted,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.files = {file.path: file for file in files}
        self.normalizers = {path: Normalizer(file.tree) for path, file in self.files.items()}
        self.judge, self.deadline, self.wanted, self.progress = judge, deadline, wanted, progress
        self.queue = CandidateQueue([])
        self.together: set[frozenset[tuple[Path, tuple[Edit, ...]]]] = set()  # of several files
        self.background: Background[_Found] | None = None
        self.writer: Callable[[], Iterator[_Found]] | None = None
        self.write_at = time.monotonic() + WRITTEN_AFTER_SECONDS
        self.outcome = Outcome()
        self.pending: dict[int, Item] = {}  # by the number of candidates tried until then
        self.promising: list[tuple[Item, float]] = []
        self.reached = max((test.progress for test in baseline.failing), default=0)
        self.failing = len(baseline.failing)

    def begin(self, items: Sequence[Item], more: Iterator[_Found | None] | None = None) -> None:
        """The first candidates, and where others come from."""
        self._take(_Found(list(items), True))
        if more is not None:
            self.background = Background(more)
            self._more(LOOKING)  # of a small file the model has soon said what it can

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
            limit = min(self.deadline, stop[1] if stop else self.deadline) - time.monotonic()
            if not self.pending:
                if not self._more(limit):
                    outcome.exhausted = True
                    break
                continue
            for key, verdict in self.judge.wait(min(max(0.0, limit), self._patience())):
                self._hear(key, verdict)
            self._more(0.0)
            if outcome.passing and stop is None:
                stop = (outcome.tried + MORE, time.monotonic() + MORE_SECONDS)
            if self.progress is not None:
                self.progress(outcome.tried)
        return outcome

    def close(self) -> None:
        """End what goes on in the thread."""
        if self.background is not None:
            self.background.close()

    def _patience(self) -> float:
        """Seconds to wait for verdicts before one looks elsewhere."""
        busy = self.background is not None and not self.background.done
        return POLL if busy or self.writer is not None else float("inf")

    def _more(self, seconds: float) -> bool:
        """Take what the thread has found, if need be after waiting; False if no more can come."""
        if self.background is not None and self.background.done and self.writer is not None:
            late = time.monotonic() >= self.write_at or self.outcome.tried >= WRITTEN_AFTER
            if (late or not self.pending) and not self.outcome.passing:
                self.background = Background(self.writer())
                self.writer = None
        if self.background is None or self.background.done:
            return False
        for found in self.background.wait(max(0.0, seconds)):
            self._take(found)
        return True

    def _take(self, found: _Found) -> None:
        items = [item for item in found.items if self.wanted(item)]
        if not found.anew:
            self.queue.add(items)
            return
        self.queue = CandidateQueue(items)  # what was tried before is not new to the normalizer
        for item, share in self.promising:
            self.queue.promising(item, share)

    def _fill(self) -> None:
        while self.judge.capacity > 0:
            item = self._next()
            if item is None:
                return
            try:
                (path, raw), *beside = ((path, self._raw(path, one)) for path, one in item.parts)
            except UnicodeEncodeError:  # the last commit was in an encoding with more characters
                continue
            self.outcome.tried += 1
            key = self.outcome.tried
            self.pending[key] = item
            self.judge.submit(key, path, raw, *beside)

    def _raw(self, path: Path, candidate: Candidate) -> bytes:
        source = self.files[path].source
        return source.raw(candidate.text(source.data))

    def _next(self) -> Item | None:
        for item in self.queue:
            if self._is_new(item):
                return item
            if time.monotonic() >= self.deadline:
                return None
        return None

    def _is_new(self, item: Item) -> bool:
        """Whether all of it compiles, and it was not tried before."""
        if not item.beside:
            return self.normalizers[item.path].is_new(item.candidate.edits)
        key = frozenset((path, one.edits) for path, one in item.parts)
        if key in self.together:
            return False
        self.together.add(key)
        return all(self.normalizers[path].compiles(one.edits) for path, one in item.parts)

    def _hear(self, key: int, verdict: Verdict) -> None:
        item = self.pending.pop(key)
        if verdict.status == "passed":
            (path, one), *beside = item.parts
            self.outcome.passing.append(Passing(
                path, one, self.files[path].source.data, key,
                tuple(Passing(*two, self.files[two[0]].source.data, key) for two in beside),
            ))  # fmt: skip
            return
        alone = verdict.status == "failed" and not item.beside
        if alone and verdict.fixed > self.outcome.mended:
            self.outcome.nearest, self.outcome.mended = item, verdict.fixed
        nearer = verdict.fixed > 0 or (self.failing == 1 and verdict.progress > self.reached)
        if verdict.status == "failed" and nearer:
            share = MENDING if verdict.fixed == self.failing else PROMISING
            self.promising.append((item, share))
            self.queue.promising(item, share)
