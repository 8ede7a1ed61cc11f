"""What the projects of a split held, and what small commits did to it, tests left out.

And how scripts ask for it and print what they find: what is said of files before a commit that
mends them, and of the files of the last commit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from codemtl.corpus import git
from codemtl.corpus.small_changes import LARGEST, SmallChange, small_changes
from codemtl.evaluation.cases import Origin
from codemtl.evaluation.repositories import Repositories, python_files
from codemtl.evaluation.results import percent
from codemtl.evaluation.workers import run
from codemtl.inference.project import Project
from codemtl.syntax.discovery import is_test
from codemtl.tasks.metrics import grouped_share

MOST_COMMITS, MOST_LINES = 1_000, 12
RIGHT, OTHER, SILENT = "as the project wrote", "another repair", "no repair"


class Told(Protocol):
    """What is said of one place, and what became of it there."""

    def __iter__(self) -> Iterator[object]:
        """All that is shown of it."""
        ...

    @property
    def project(self) -> str:
        """The repository."""
        ...

    @property
    def answer(self) -> str:
        """RIGHT, OTHER, SILENT, or what else a script knows."""
        ...


class Version(NamedTuple):
    """A file at a commit."""

    repositories: Repositories
    origin: Origin
    text: bytes

    @property
    def project(self) -> Project | None:
        """The project around it."""
        return self.repositories.around(self.origin)


def changed_files(name: str, folder: str) -> Iterator[tuple[SmallChange, Version, Version]]:
    """Files before and after each of a project's last commits that changes few of their lines."""
    repositories = Repositories({name: folder})
    for change in small_changes(folder, MOST_COMMITS, MOST_LINES):
        if not is_test(change.path):
            now = Origin(name, change.commit, change.path)
            was = now._replace(parent=change.parent)
            yield (
                change,
                Version(repositories, was, change.before),
                Version(repositories, now, change.after),
            )


def last_files(name: str, folder: str) -> Iterator[Version]:
    """The files of a project's last commit."""
    repositories = Repositories({name: folder})
    commit = git.output(folder, "rev-parse", "HEAD").strip()
    with git.reader(folder) as read:
        for path, (size, blob) in sorted(python_files(folder, commit, "-r").items()):
            text = read(blob) if size <= LARGEST and not is_test(path) else None
            if text:
                yield Version(repositories, Origin(name, commit, path), text)


def history_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of a script that goes through the histories of a split."""
    parser.add_argument(
        "--repositories", type=Path, required=True, help="where the corpus was mined"
    )
    parser.add_argument("--split", default="validation")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--show", action="store_true", help="what is said of each")
    return parser.parse_args()


def print_histories(
    options: argparse.Namespace,
    sources: Path,
    mended: Callable[[None, tuple[str, str]], Sequence[Told]],
    said: Callable[[None, tuple[str, str]], tuple[Sequence[Told], int]],
    other: str,
) -> None:
    """What a script finds in each project: what commits mend, and what is said of the last ones.

    ``options`` are `history_arguments`, ``sources`` is ``data/sources.tsv``. ``mended`` and
    ``said`` have a project's name and git directory as their second argument; ``said`` counts
    functions too. ``other`` is an answer besides RIGHT, OTHER and SILENT.
    """
    projects = Repositories.at(options.repositories).of_split(options.split, sources)
    fixed = run(mended, projects, _nothing, options.jobs, "what commits mend")
    told = [one for found in fixed for one in found]
    last = run(said, projects, _nothing, options.jobs, "last commits")
    print(f"{len(projects)} projects of the {options.split} split")
    _print_mended(told, other)
    now = [one for found, _ in last for one in found]
    print(f"said of {sum(count for _, count in last)} functions of last commits: {len(now)}")
    if options.show:
        for one in (*told, *now):
            print(*one, sep="\t")


def _print_mended(told: Sequence[Told], other: str) -> None:
    print(f"mended by a commit: {len(told)} of {len({one.project for one in told})} projects")
    for answer in (RIGHT, other, OTHER, SILENT):
        print(f"  {answer}: {_share(told, answer)}")
    sure = [one for one in told if one.answer != SILENT]
    print(f"right of the {len(sure)} repairs: {_share(sure, RIGHT)}")


def _share(told: Sequence[Told], answer: str) -> str:
    groups = np.unique([one.project for one in told], return_inverse=True)[1]
    hits = np.array([one.answer == answer for one in told], float)
    return percent(grouped_share(hits, groups))


def _nothing() -> None:
    """A process needs nothing to begin."""
