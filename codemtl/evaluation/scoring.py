"""What the model and its rivals say about each function of a repair suite.

Of every function only the best edit of a system is kept (for the model: all that it proposes, with
the parts of their confidence, so that calibration can be fitted afterwards).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from codemtl.evaluation.cases import RepairCase
from codemtl.evaluation.judging import Truth, Verdict, judge
from codemtl.evaluation.ngram import NgramModel, Words
from codemtl.evaluation.repositories import Repositories, beside_case
from codemtl.evaluation.workers import run
from codemtl.inference import Calibration
from codemtl.inference.evidence import Evidence
from codemtl.inference.predictor import BatchPredictor, Predictor, RepairRequest
from codemtl.inference.scope_findings import scope_findings
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.findings import Finding
from codemtl.syntax.history import UNKNOWN
from codemtl.syntax.results import has_fix
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import edit_for, edit_for_name, enumerate_sites
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.building import build_example

BATCH_FUNCTIONS = 64  # looked at together


class Parts(NamedTuple):
    """Of what the model's confidence is made."""

    logit: float  # of a bug
    site: float  # p(site | bug)
    edit: float  # p(edit | site, bug)
    evidence: Evidence


class Guess(NamedTuple):
    """An edit that one system proposes."""

    score: float  # a confidence; of the n-gram model, a gain in log-likelihood
    verdict: Verdict
    kind: str
    edit: Edit
    parts: Parts | None = None
    fixes: bool = True  # it says what should stand there, not only that what does is wrong

    @property
    def keeps_its_word(self) -> bool:
        """Whether what it claims is so: the place and, if it names one, the replacement."""
        return self.verdict.right if self.fixes else self.verdict.located


class Scores(NamedTuple):
    """What is known of one function."""

    model: tuple[Guess, ...]  # the most probable edits of each window
    scope: Guess | None  # the surest undefined name by the file alone, as it suggests
    undefined: Guess | None  # the one that the product would show first: guesses and project too
    ngram: Guess | None

    @property
    def surest(self) -> Guess | None:
        """The model's surest edit over all windows."""
        return max(self.model, key=lambda one: one.score, default=None)

    @property
    def shown(self) -> Guess | None:
        """What ``codemtl repair`` would show first."""
        found = [one for one in (self.surest, self.undefined) if one is not None]
        return max(found, key=lambda one: one.score, default=None)


Make = Callable[[], "Scorer"]


@dataclass(slots=True)
class Scorer:
    """The systems that look at one parsed file; one in each process."""

    predictor: Predictor
    ngram: NgramModel | None = None
    repositories: Repositories | None = None  # where the other files of a project are

    def scores(self, cases: Sequence[RepairCase]) -> list[list[Scores]]:
        """For each case, what is known of each of its functions."""
        requests = []
        for case in cases:
            known = self.repositories
            history = UNKNOWN if known is None else known.history(case.origin)
            tree = parse(case.data, beside_case(case.origin, known), history)
            wanted = set(case.starts)
            chosen = [one for one in functions(tree) if one.node.start_byte in wanted]
            requests.append(RepairRequest(tree, chosen, analyze(tree)))
        guesses, guessed = self._guesses(requests, cases)
        calibration: Calibration = self.predictor.calibration
        rows = []
        for number, (request, case) in enumerate(zip(requests, cases, strict=True)):
            scopes = request.scopes
            project = None if self.repositories is None else self.repositories.around(case.origin)
            alone = scope_findings(scopes, {}, calibration, None)
            shown = scope_findings(scopes, guessed[number], calibration, project)
            rows.append([
                Scores(
                    tuple(found),
                    _first(alone, function, case),
                    _first(shown, function, case),
                    self._ngram(request, function, case.truth),
                )
                for found, function in zip(guesses[number], request.functions, strict=True)
            ])  # fmt: skip
        return rows

    def _guesses(
        self, requests: Sequence[RepairRequest], cases: Sequence[RepairCase]
    ) -> tuple[list[list[list[Guess]]], list[dict[int, tuple[str, float]]]]:
        """What the model proposes in each function of each request.

        And for each request its guesses at undefined names.
        """
        found: list[list[list[Guess]]] = [[[] for _ in one.functions] for one in requests]
        guessed: list[dict[int, tuple[str, float]]] = [{} for _ in requests]
        if not isinstance(self.predictor, BatchPredictor):
            for number, request in enumerate(requests):
                for owner, findings in enumerate(self.predictor.repair(*request)):
                    for said in filter(has_fix, findings[:1]):
                        edit = Edit(said.start, said.end, said.replacement)
                        verdict = judge(request.tree.data, edit, cases[number].truth)
                        found[number][owner].append(
                            Guess(said.confidence, verdict, said.kind, edit)
                        )
            return found, guessed
        for number, owner, scored in self.predictor.scored_edits(requests):
            for weighed in scored:
                one, chance = weighed.scored, self.predictor.confidence(weighed)
                if one.kind == UNDEFINED:
                    guessed[number][one.edit.start] = one.edit.replacement, chance
                    continue
                verdict = judge(requests[number].tree.data, one.edit, cases[number].truth)
                parts = Parts(one.bug_logit, one.p_site, one.p_edit, weighed.evidence)
                found[number][owner].append(Guess(chance, verdict, one.kind, one.edit, parts))
        return found, guessed

    def _ngram(
        self, request: RepairRequest, function: Definition, truth: Truth | None
    ) -> Guess | None:
        if self.ngram is None:
            return None
        tree: SourceTree = request.tree
        found = enumerate_sites(tree, function.node, request.scopes)
        example = build_example(tree, function.node, found, [], Words(self.ngram.words))
        best = self.ngram.best(example)
        if best is None:
            return None
        site = example.sites[best.site]
        if site.candidates >= 0:
            edit = edit_for_name(tree, site, example.name_texts[best.choice])
        else:
            edit = edit_for(tree, site, best.choice)
        return Guess(best.gain, judge(tree.data, edit, truth), site.kind, edit)


def _first(findings: Sequence[Finding], function: Definition, case: RepairCase) -> Guess | None:
    """The one of a function that is shown first."""
    inside = [one for one in findings if function.start <= one.start and one.end <= function.end]
    if not inside:
        return None
    first = min(inside, key=lambda one: (-one.confidence, one.start))
    edit = Edit(first.start, first.end, first.replacement)
    verdict = judge(case.data, edit, case.truth)
    return Guess(first.confidence, verdict, first.kind, edit, fixes=has_fix(first))


def scorer_of(
    make: Callable[[], Predictor], ngram: Path | None, repositories: Repositories | None
) -> Make:
    """What makes a scorer in each process, given what makes its predictor."""
    return partial(_scorer, make, ngram, repositories)


def _scorer(
    make: Callable[[], Predictor], ngram: Path | None, repositories: Repositories | None
) -> Scorer:
    return Scorer(make(), None if ngram is None else NgramModel.load(ngram), repositories)


def score_cases(cases: Sequence[RepairCase], make: Make, jobs: int) -> list[list[Scores]]:
    """What is known of each function of each case."""
    batches = list(_batches(cases))
    found = run(_score, batches, make, jobs, "looking for bugs")
    return [one for batch in found for one in batch]


def _score(scorer: Scorer, cases: Sequence[RepairCase]) -> list[list[Scores]]:
    return scorer.scores(cases)


def _batches(cases: Sequence[RepairCase]) -> Iterator[list[RepairCase]]:
    batch: list[RepairCase] = []
    room = BATCH_FUNCTIONS
    for case in cases:
        batch.append(case)
        room -= len(case.starts)
        if room <= 0:
            yield batch
            batch, room = [], BATCH_FUNCTIONS
    if batch:
        yield batch
