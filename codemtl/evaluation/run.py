"""``codemtl evaluate``: which suites to run, with what, and the document that comes of it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from codemtl import inference
from codemtl.evaluation.benchmarks import docstring_tasks, infilling_tasks
from codemtl.evaluation.cases import repair_cases, text_cases
from codemtl.evaluation.corpus import ANY, Corpus
from codemtl.evaluation.docstring_corpus import docstring_suite
from codemtl.evaluation.frozen import FrozenList, freeze_list, list_name, read_list
from codemtl.evaluation.infilling import infilling_suite
from codemtl.evaluation.options import EXTERNAL, SUITES, TASKS, Options, chosen_suites
from codemtl.evaluation.repair_suites import Setting, repair_suite
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import SuiteResult
from codemtl.evaluation.same_time import clean_of_that_time
from codemtl.evaluation.sampling import SAMPLERS, Sizes, fix_rows
from codemtl.evaluation.scoring import Make, scorer_of
from codemtl.evaluation.text_suites import lines_suite, summaries_suite
from codemtl.inference.predictor import Predictor


@dataclass(slots=True)
class Evaluation:
    """What came of it."""

    facts: dict[str, Any]
    results: list[SuiteResult] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """For machines."""
        suites = {one.suite: one.document() for one in self.results}
        return {"version": 1, **self.facts, "suites": suites}


def run(options: Options) -> Evaluation:
    """Run the suites, one after the other.

    Raises UsageError, DataError or ModelError before any of them is run if something is missing.
    """
    started = time.perf_counter()
    suites = chosen_suites(options)
    inputs = _Inputs(options)
    if options.data is not None and not options.one_edit and "real-bugs" not in options.suites:
        suites = [name for name in suites if name != "real-bugs" or fix_rows(inputs.corpus)]
    if options.model is not None:
        inference.check_model_folder(options.model)
    where = options.repositories
    repositories = None if where is None else Repositories.at(where)
    plan = [(name, inputs.prepare(name)) for name in suites]
    if options.same_time and repositories is not None:
        for cases in [cases for name, cases in plan if name == "real-bugs"]:
            cases.clean = clean_of_that_time(cases.bugs, repositories, options.seed)
    loaded = inference.load_predictor(options.model, None if options.jobs == 1 else 1)
    done = Evaluation({
        "command": shlex.join(["codemtl", *sys.argv[1:]]),
        "seed": options.seed,
        "model": {"name": loaded.name, "revision": loaded.revision},
        "split": options.held_out if options.data is None else ANY,
        "corpus": inputs.what,
    })  # fmt: skip
    make = _Makers(options.model, loaded, options.jobs, repositories)
    for name, cases in plan:
        done.results.append(_suite(name, cases, options, inputs, make))
    done.facts["seconds"] = round(time.perf_counter() - started, 1)
    return done


class _Inputs:
    """The cases of each suite, read and checked before the model does anything."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = options.data or options.corpus or samples_folder()
        self.what = "samples" if options.data is options.corpus is None else self.folder.name
        self._corpus: Corpus | None = None

    @property
    def corpus(self) -> Corpus:
        """Opened when a suite first needs it."""
        if self._corpus is None:
            split = self.options.held_out if self.options.data is None else ANY
            self._corpus = Corpus(self.folder, split)
        return self._corpus

    def prepare(self, suite: str) -> Any:
        """The cases of a suite."""
        options = self.options
        if suite in EXTERNAL:
            assert options.benchmarks is not None
            if suite == "docstring-corpus":
                return docstring_tasks(options.benchmarks, options.held_out)[: options.limit]
            return infilling_tasks(options.benchmarks)[: options.limit]
        name = "synthetic-uniform" if options.uniform and suite == "synthetic" else suite
        frozen = self._list(name)
        if "repair" not in SUITES[suite]:
            return text_cases(self.corpus, frozen, options.limit)
        return repair_cases(self.corpus, frozen, options.limit, one_edit=options.one_edit)

    def _list(self, name: str) -> FrozenList:
        """From the corpus folder, or from the lists that ship; DATA has all that it can have."""
        file = list_name(name, self.options.held_out)
        if self.options.data is not None:
            sizes = Sizes()
            limit = self.options.limit
            if limit is not None:
                sizes = Sizes(5 * limit, limit, limit, limit)
            return freeze_list(f"{name} of {self.what}", SAMPLERS[name](
                self.corpus, sizes, self.options.seed
            ))  # fmt: skip
        own = (self.folder / file).is_file()
        return read_list(self.folder if own else samples_folder().parent, file)


@dataclass(frozen=True, slots=True)
class _Makers:
    """How each process gets what it works with."""

    model: Path | None
    loaded: Predictor
    jobs: int
    repositories: Repositories | None

    def scorer(self, ngram: Path | None) -> Make:
        return scorer_of(self.predictor(), ngram, self.repositories)

    def predictor(self) -> Callable[[], Predictor]:
        if self.jobs > 1:
            return partial(inference.load_predictor, self.model, 1)
        return partial(_same, self.loaded)


def _same(predictor: Predictor) -> Predictor:
    return predictor


def _suite(name: str, cases: Any, options: Options, inputs: _Inputs, make: _Makers) -> SuiteResult:
    jobs, seed = make.jobs, options.seed
    if name == "docstring-corpus":
        tasks = frozenset(options.tasks or TASKS)
        return docstring_suite(cases, make.predictor(), jobs, options.held_out, tasks)
    if name == "humaneval-infilling":
        learned = inputs.corpus if options.corpus is not None else None
        return infilling_suite(cases, learned, make.predictor(), jobs, seed)
    if name == "summaries":
        around = make.repositories
        return summaries_suite(cases, inputs.corpus, make.predictor(), jobs, seed, around)
    if name == "masked-lines":
        around = make.repositories
        return lines_suite(cases, inputs.corpus, make.predictor(), jobs, seed, around)
    setting = Setting(make.scorer, make.loaded.calibration, jobs, seed, make.repositories)
    return repair_suite(name, cases, inputs.corpus, setting)


def samples_folder() -> Path:
    """The samples: in an installed package beside this file, else in the repository's data."""
    inside = Path(__file__).parent / "benchmarks" / "samples"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "data/benchmarks/samples"
