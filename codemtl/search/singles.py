"""The candidates of one edit (or of one change in several places), function by function.

The most suspicious functions come first, so that candidates can be tried while those of the
others are still looked for and the model is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from codemtl.inference.predictor import Predictor
from codemtl.inference.project import Projects, past
from codemtl.search.candidates import Candidate, function_candidates, ranked
from codemtl.search.failures import Failures, read_failures
from codemtl.search.file_view import FileView
from codemtl.search.localization import Suspicion
from codemtl.search.outcomes import Baseline
from codemtl.search.queue import Item
from codemtl.search.view import FunctionView, module_of
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.tree import SourceTree, parse

MODEL_EDITS = 400  # of a function, that the repair head ranks
MODEL_FUNCTIONS = 8  # the most suspicious ones, which it looks at


@dataclass
class SearchFile:
    """A file that the search may change, and the functions of it that count."""

    source: SourceFile
    functions: Sequence[Definition]
    tree: SourceTree
    scopes: Scopes
    outside: bool = True  # what stands outside of functions may change, too

    @cached_property
    def view(self) -> FileView:
        """What the file's text says of what its functions use."""
        return FileView(self.tree)

    @property
    def path(self) -> Path:
        """The real file, as the tests' outcomes name it."""
        return self.source.resolved or self.source.path

    @classmethod
    def of(
        cls,
        source: SourceFile,
        choose: Callable[[SourceTree], Sequence[Definition]],
        *,
        outside: bool = True,
    ) -> SearchFile:
        """Parse a file and choose its functions."""
        tree = parse(source.data, Projects().beside(source), past(source))
        return cls(source, choose(tree), tree, analyze(tree), outside)


@dataclass(slots=True)
class _Function:
    """An outermost function of a file, or the module, and what is known of it by now."""

    file: SearchFile
    definition: Definition
    suspicion: Suspicion
    failures: Failures
    weight: float  # suspicion of its most suspicious line
    candidates: list[Candidate] | None = None
    scores: dict[Edit, float] | None = None  # what the repair head says of its edits

    def at(self, start: int, end: int) -> float:
        """How probable a place of it is, up to a factor: also by what else stands around it."""
        if self.definition.kind == "module":
            return self.weight * self.suspicion.outside(start, end)
        return self.weight * self.suspicion(start, end)


class Singles:
    """Candidates of all functions that failing tests run, and of what they use of the module."""

    def __init__(self, files: Sequence[SearchFile], baseline: Baseline) -> None:
        self._functions: list[_Function] = []
        for file in files:
            suspicion = Suspicion(file.tree, file.path, baseline)
            failures = read_failures(baseline, file.path)
            covered = [one for one in file.functions if suspicion.covers(one.node)]
            for one in covered:
                if not one.node.has_error and not any(_holds(two, one) for two in covered):
                    weight = suspicion.highest(one.node)
                    self._functions.append(_Function(file, one, suspicion, failures, weight))
            if file.outside and not file.tree.root.has_error:
                highest = max(
                    (one.weight for one in self._functions if one.file is file), default=0.0
                )
                self._functions.append(
                    _Function(file, module_of(file.tree), suspicion, failures, highest)
                )
        self._functions.sort(key=lambda one: -one.weight)

    def look(self, seconds: float | None = None) -> bool:
        """Look for candidates, for so many seconds and one function more; tell if those are all."""
        end = None if seconds is None else time.monotonic() + seconds
        for one in self._functions:
            if one.candidates is None:
                if end is not None and time.monotonic() >= end:
                    return False
                file = one.file
                view = FunctionView(file.tree, one.definition, file.scopes, one.failures, file.view)
                one.candidates = function_candidates(view, one.at)
        return True

    def ask(self, predictor: Predictor) -> Iterator[None]:
        """Have the repair head look at the most suspicious functions; one step a function."""
        known = [one for one in self._functions if one.definition.kind != "module"]
        for one in known[:MODEL_FUNCTIONS]:
            one.scores = _model_scores(one, predictor)
            yield

    def items(self) -> list[Item]:
        """What was found by now, with weights that sum up to 1, most probable first."""
        groups: dict[tuple[Path, bool], list[Candidate]] = {}
        scores: dict[Path, dict[Edit, float]] = {}
        for one in self._functions:
            key = one.file.path, one.scores is not None
            groups.setdefault(key, []).extend(one.candidates or ())
            scores.setdefault(one.file.path, {}).update(one.scores or {})
        total = sum(each.weight for group in groups.values() for each in group)
        found: list[Item] = []
        for (path, asked), group in groups.items():
            found += [
                Item(path, one) for one in ranked(group, scores[path] if asked else {}, total)
            ]
        return sorted(found, key=lambda item: -item.candidate.weight)


def single_edits(
    files: Sequence[SearchFile], baseline: Baseline, predictor: Predictor | None
) -> list[Item]:
    """All candidates of one edit, most probable first."""
    singles = Singles(files, baseline)
    singles.look()
    if predictor is not None:
        for _ in singles.ask(predictor):
            pass
    return singles.items()


def _holds(outer: Definition, inner: Definition) -> bool:
    return outer is not inner and outer.start <= inner.start and inner.end <= outer.end


def _model_scores(one: _Function, predictor: Predictor) -> dict[Edit, float]:
    """The repair head's probability of each edit, times how suspicious its place is.

    The functions inside are looked at, too.
    """
    scores: dict[Edit, float] = {}
    file, outer = one.file, one.definition
    sound = [
        each for each in file.functions
        if (each is outer or _holds(outer, each))
        and not each.node.has_error
        and one.suspicion.covers(each.node)
    ]  # fmt: skip
    for found in predictor.repair(file.tree, sound, file.scopes, MODEL_EDITS):
        total = sum(each.confidence for each in found)
        for each in found:
            edit = Edit(each.start, each.end, each.replacement)
            weight = one.at(each.start, each.end) * each.confidence / total if total else 0.0
            scores[edit] = max(scores.get(edit, 0.0), weight)
    return scores
