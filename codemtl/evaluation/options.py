"""What ``codemtl evaluate`` is asked for: which suites, on what, and whether that goes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codemtl.errors import UsageError

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

_OWN = frozenset(SUITES) - frozenset(EXTERNAL)  # their cases come from a corpus


@dataclass(frozen=True, slots=True)
class Options:
    """What to evaluate on; the defaults are what the command line does without arguments."""

    suites: tuple[str, ...] = ()  # none: all that can be run
    tasks: tuple[str, ...] = ()  # none: all
    corpus: Path | None = None  # None: the samples that ship
    data: Path | None = None  # a corpus without frozen lists: all of it
    benchmarks: Path | None = None
    split: str | None = None  # None: validation
    limit: int | None = None
    jobs: int = 1
    seed: int = 0
    uniform: bool = False  # made bugs of any kind, also unlikely ones
    one_edit: bool = False  # of real bugs only those that one edit of our kinds repairs
    same_time: bool = False  # clean functions from the commits before the fixes
    model: Path | None = None
    repositories: Path | None = None  # those that the corpus was mined from

    @property
    def held_out(self) -> str:
        """The split to judge by."""
        return self.split or "validation"


def chosen_suites(options: Options) -> list[str]:
    """The suites to run, in their order.

    Raises UsageError for a name that is none, and for an option without effect on these suites.
    """
    _known("suite", options.suites, SUITES)
    _known("task", options.tasks, TASKS)
    tasks = options.tasks or TASKS
    named = options.suites or tuple(
        name for name in SUITES if name not in EXTERNAL or options.benchmarks is not None
    )
    found = [name for name in SUITES if name in named and set(SUITES[name]) & set(tasks)]
    if not found:
        raise UsageError(
            f"none of the suites {', '.join(named)} is about {', '.join(tasks)}; name others"
        )
    _check_choice(options, found)
    for name in found:
        if name in EXTERNAL and options.benchmarks is None:
            raise UsageError(f"suite {name} needs --benchmarks DIR, the folder with its files")
    if options.data is not None and options.corpus is not None:
        raise UsageError("name DATA or --corpus, not both")
    _check_effects(options, frozenset(found))
    if options.same_time and options.repositories is None:
        raise UsageError("--same-time needs --repositories DIR, where those commits are")
    if options.split == "test" and options.data is options.corpus is None and _OWN & set(found):
        raise UsageError("the samples have no test split; name a corpus by --corpus DIR")
    return found


def _known(noun: str, names: Sequence[str], known: Any) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"there is no {noun} {name!r}; the {noun}s are {', '.join(known)}")


def _check_choice(options: Options, found: Sequence[str]) -> None:
    """Raise UsageError for a suite without a task, or a task without a suite, that was named."""
    for name in options.suites:
        if options.tasks and name not in found:
            raise UsageError(f"suite {name} is not about {', '.join(options.tasks)}; leave it out")
    for task in options.tasks:
        if not any(task in SUITES[name] for name in found):
            raise UsageError(f"none of the suites {', '.join(found)} is about {task}; leave it out")


def _check_effects(options: Options, suites: frozenset[str]) -> None:
    """Raise UsageError for an option that changes nothing of these suites."""
    data, corpus = options.data is not None, options.corpus is not None
    split = {"docstring-corpus"} if data else {*_OWN, "docstring-corpus"}
    readers: Mapping[str, tuple[bool, frozenset[str]]] = {
        "DATA": (data, _OWN),
        "--corpus": (corpus, _OWN | {"humaneval-infilling"}),
        "--benchmarks": (options.benchmarks is not None, frozenset(EXTERNAL)),
        "--repositories": (options.repositories is not None, _OWN),
        "--split": (options.split is not None, frozenset(split)),
        "--uniform": (options.uniform, frozenset({"synthetic"})),
        "--one-edit": (options.one_edit, frozenset({"real-bugs"})),
        "--same-time": (options.same_time, frozenset({"real-bugs"})),
    }
    for option, (given, by) in readers.items():
        if given and not suites & by:
            names = ", ".join(name for name in SUITES if name in suites)
            whole = ", and of DATA all is asked" if option == "--split" and data else ""
            raise UsageError(f"{option} has no effect on {names}{whole}; leave it out")
