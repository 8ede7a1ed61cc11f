"""``codemtl evaluate``: which suites to run, with what, and the document that comes of it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from codemtl import inference
from codemtl.errors import UsageError
from codemtl.evaluation.benchmarks import docstring_tasks, infilling_tasks
from codemtl.evaluation.cases import repair_cases, text_cases
from codemtl.evaluation.corpus import ANY, Corpus
from codemtl.evaluation.docstring_corpus import docstring_suite
from codemtl.evaluation.frozen import FrozenList, freeze_list, list_name, read_list
from codemtl.evaluation.infilling import infilling_suite
from codemtl.evaluation.ngram import NgramModel
from codemtl.evaluation.repair_suites import Setting, repair_suite
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import SuiteResult
from codemtl.evaluation.sampling import SAMPLERS, Sizes, fix_rows
from codemtl.evaluation.scoring import Make, Scorer, scorer_of
from codemtl.evaluation.text_suites import lines_suite, summaries_suite
from codemtl.inference.predictor import Predictor

# Suite -> the tasks that it judges.
SUITES: Mapping[str, tuple[str, ...]] = {
    "real-bugs": ("repair",),
    "synthetic": ("repair",),
    "summaries": ("summarize",),
    "masked-lines": ("generate",),
    "docstring-corpus": ("summarize", "generate"),
    "humaneval-infilling": ("generate",),
}
EXTERNAL = ("docstring-corpus", "humaneval-infilling")  # their files come from --benchmarks
TASKS = ("repair", "summarize", "generate")


@dataclass(frozen=True, slots=True)
class Options:
    """What to evaluate on; the defaults are what the command line does without arguments."""

    suites: tuple[str, ...] = ()  # none: all that can be run
    tasks: tuple[str, ...] = TASKS
    corpus: Path | None = None  # None: the samples that ship
    data: Path | None = None  # a corpus without frozen lists: all of it
    benchmarks: Path | None = None
    split: str = "validation"
    limit: int | None = None
    jobs: int = 1
    seed: int = 0
    uniform: bool = False  # made bugs of any kind, also unlikely ones
    one_edit: bool = False  # of real bugs only those that one edit of our kinds repairs
    model: Path | None = None
    repositories: Path | None = None  # those that the corpus was mined from


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
    if options.data is not None and "real-bugs" not in options.suites:
        suites = [name for name in suites if name != "real-bugs" or fix_rows(inputs.corpus)]
    if options.model is not None:
        inference.check_model_folder(options.model)
    where = options.repositories
    repositories = None if where is None else Repositories.at(where)
    plan = [(name, inputs.prepare(name)) for name in suites]
    loaded = inference.load_predictor(options.model, None if options.jobs == 1 else 1)
    done = Evaluation({
        "command": shlex.join(["codemtl", *sys.argv[1:]]),
        "seed": options.seed,
        "model": {"name": loaded.name, "revision": loaded.revision},
        "split": options.split if options.data is None else ANY,
        "corpus": inputs.what,
    })  # fmt: skip
    make = _Makers(options.model, loaded, options.jobs, repositories)
    for name, cases in plan:
        done.results.append(_suite(name, cases, options, inputs, make))
    done.facts["seconds"] = round(time.perf_counter() - started, 1)
    return done


def chosen_suites(options: Options) -> list[str]:
    """The suites to run, in their order; UsageError for a name that is none."""
    _known("suite", options.suites, SUITES)
    _known("task", options.tasks, TASKS)
    named = options.suites or tuple(
        name for name in SUITES if name not in EXTERNAL or options.benchmarks is not None
    )
    found = [name for name in SUITES if name in named and set(SUITES[name]) & set(options.tasks)]
    if not found:
        tasks, suites = ", ".join(options.tasks), ", ".join(named)
        raise UsageError(f"none of the suites {suites} is about {tasks}; name others")
    for name in found:
        if name in EXTERNAL and options.benchmarks is None:
            raise UsageError(f"suite {name} needs --benchmarks DIR, the folder with its files")
    if (
        options.split == "test"
        and options.data is options.corpus is None
        and set(found) - {*EXTERNAL}
    ):
        raise UsageError("the samples have no test split; name a corpus by --corpus DIR")
    if options.data is not None and options.corpus is not None:
        raise UsageError("name DATA or --corpus, not both")
    return found


def _known(noun: str, names: Sequence[str], known: Any) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"there is no {noun} {name!r}; the {noun}s are {', '.join(known)}")


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
            split = self.options.split if self.options.data is None else ANY
            self._corpus = Corpus(self.folder, split)
        return self._corpus

    def prepare(self, suite: str) -> Any:
        """The cases of a suite."""
        options = self.options
        if suite in EXTERNAL:
            assert options.benchmarks is not None
            if suite == "docstring-corpus":
                return docstring_tasks(options.benchmarks, options.split)[: options.limit]
            return infilling_tasks(options.benchmarks)[: options.limit]
        name = "synthetic-uniform" if options.uniform and suite == "synthetic" else suite
        frozen = self._list(name)
        if "repair" not in SUITES[suite]:
            return text_cases(self.corpus, frozen, options.limit)
        return repair_cases(self.corpus, frozen, options.limit, one_edit=options.one_edit)

    def _list(self, name: str) -> FrozenList:
        """From the corpus folder, or from the lists that ship; DATA has all that it can have."""
        file = list_name(name, self.options.split)
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
        if self.jobs > 1:
            return scorer_of(self.model, ngram, self.jobs, self.repositories)
        return partial(_scorer, self.loaded, ngram, self.repositories)

    def predictor(self) -> Callable[[], Predictor]:
        if self.jobs > 1:
            return partial(inference.load_predictor, self.model, 1)
        return partial(_same, self.loaded)


def _scorer(predictor: Predictor, ngram: Path | None, repositories: Repositories | None) -> Scorer:
    return Scorer(predictor, None if ngram is None else NgramModel.load(ngram), repositories)


def _same(predictor: Predictor) -> Predictor:
    return predictor


def _suite(name: str, cases: Any, options: Options, inputs: _Inputs, make: _Makers) -> SuiteResult:
    jobs, seed = make.jobs, options.seed
    if name == "docstring-corpus":
        tasks = frozenset(options.tasks)
        return docstring_suite(cases, make.predictor(), jobs, options.split, tasks)
    if name == "humaneval-infilling":
        learned = inputs.corpus if options.corpus is not None else None
        return infilling_suite(cases, learned, make.predictor(), jobs, seed)
    if name == "summaries":
        return summaries_suite(cases, inputs.corpus, make.predictor(), jobs, seed)
    if name == "masked-lines":
        return lines_suite(cases, inputs.corpus, make.predictor(), jobs, seed)
    setting = Setting(make.scorer, make.loaded.calibration, jobs, seed, make.repositories)
    return repair_suite(name, cases, inputs.corpus, setting)


def samples_folder() -> Path:
    """The samples: in an installed package beside this file, else in the repository's data."""
    inside = Path(__file__).parent / "benchmarks" / "samples"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "data/benchmarks/samples"
