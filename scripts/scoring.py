"""What the model and its rivals say about the cases, in parallel processes.

Each process loads the model once. Of every function only the best edit is kept (for the model: of
every window, with the parts of its probability, so that calibration can be fitted afterwards).
Whole clean files are scored at once; of a mutated file, only the mutated function.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from cases import Bug, Cases, Corpus, function_at, mutated
from measures import Verdict, judge
from ngram import NgramModel, Words
from rich.console import Console
from rich.progress import track

from codemtl.inference.predictor import Calibration
from codemtl.inference.torch_runtime import TorchPredictor, load
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.sites import edit_for, edit_for_name, enumerate_sites
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.building import build_example


class Window(NamedTuple):
    """The model's best edit of one window of a function."""

    logit: float  # of a bug
    relief: float  # by how much the edit lowers it
    site: float  # p(site | bug)
    edit: float  # p(edit | site, bug)
    verdict: Verdict


class Result(NamedTuple):
    """What is known of one function."""

    windows: tuple[Window, ...]
    undefined: tuple[bool, Verdict] | None  # the first undefined name; whether it has a suggestion
    ngram: tuple[float, Verdict] | None  # gain in log-likelihood


Case = tuple[bytes, tuple[int, ...], tuple[int, int, str] | None]  # text, functions, fix of a bug


def confidence(window: Window, calibration: Calibration) -> float:
    """As ``TorchPredictor.confidence``."""
    logit = calibration.slope * window.logit + calibration.relief * window.relief + calibration.bias
    return window.site * window.edit / (1 + math.exp(-max(-700.0, min(700.0, logit))))


class Scorer:
    """The systems that look at one parsed file; one in each process."""

    def __init__(self, model: Path, ngram: Path | None) -> None:
        predictor = load(model, threads=1)
        assert isinstance(predictor, TorchPredictor)
        self.predictor = predictor
        self.ngram = None if ngram is None else NgramModel.load(ngram)

    def results(self, case: Case) -> list[Result]:
        """One result for each function of the case."""
        data, starts, bug = case
        fix = None if bug is None else Edit(*bug)
        tree = parse(data)
        scopes = analyze(tree)
        wanted = set(starts)
        chosen = [one for one in functions(tree) if one.node.start_byte in wanted]
        windows: list[list[Window]] = [[] for _ in chosen]
        for owner, scored in self.predictor.scored_edits(tree, chosen, scopes):
            for one in scored[:1]:
                verdict = judge(data, one.edit, fix)
                windows[owner].append(
                    Window(one.bug_logit, one.relief, one.p_site, one.p_edit, verdict)
                )
        return [
            Result(
                tuple(found),
                _undefined(scopes, function, fix),
                self._ngram(tree, function, scopes, fix),
            )
            for found, function in zip(windows, chosen, strict=True)
        ]

    def _ngram(
        self, tree: SourceTree, function: Definition, scopes: Scopes, fix: Edit | None
    ) -> tuple[float, Verdict] | None:
        if self.ngram is None:
            return None
        found = enumerate_sites(tree, function.node, scopes)
        example = build_example(tree, function.node, found, [], Words(self.ngram.words))
        best = self.ngram.best(example)
        if best is None:
            return None
        site = example.sites[best.site]
        if site.candidates >= 0:
            edit = edit_for_name(tree, site, example.name_texts[best.choice])
        else:
            edit = edit_for(tree, site, best.choice)
        return best.gain, judge(tree.data, edit, fix)


def _undefined(
    scopes: Scopes, function: Definition, fix: Edit | None
) -> tuple[bool, Verdict] | None:
    """The undefined name of a function that the product would show first."""
    inside = [
        one for one in scopes.undefined() if function.start <= one.start and one.end <= function.end
    ]
    if not inside:
        return None
    first = min(inside, key=lambda one: (not one.suggestions, one.start))
    replacement = first.suggestions[0] if first.suggestions else first.name
    edit = Edit(first.start, first.end, replacement)
    return bool(first.suggestions), judge(scopes.tree.data, edit, fix)


_scorers: list[Scorer] = []  # the one of this process


def _start(model: Path, ngram: Path | None) -> None:
    _scorers.append(Scorer(model, ngram))


def _score(case: Case) -> list[Result]:
    return _scorers[0].results(case)


def score_cases(
    cases: Cases, corpus: Corpus, model: Path, ngram: Path | None, jobs: int
) -> tuple[list[Result], list[list[Result]]]:
    """The result of each bug, and those of the functions of each clean file."""
    everything: list[Case] = [_bug_case(case, corpus.text(case)) for case in cases.bugs]
    everything += [(corpus.text(one), one.starts, None) for one in cases.clean]
    found = list(_run(everything, model, ngram, jobs))
    return [one[0] for one in found[: len(cases.bugs)]], found[len(cases.bugs) :]


def _bug_case(case: Bug, data: bytes) -> Case:
    new = mutated(data, case)
    function_at(parse(new), case.start)  # the mutation lies after the start
    return new, (case.start,), case.fix


def _run(
    everything: Sequence[Case], model: Path, ngram: Path | None, jobs: int
) -> Iterator[list[Result]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (model, ngram)) as pool:
        yield from track(
            pool.map(_score, everything, chunksize=8), "scoring", len(everything),
            console=Console(stderr=True), disable=not sys.stderr.isatty(),
        )  # fmt: skip
