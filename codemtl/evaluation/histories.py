"""What the projects of a split held, and what small commits did to it, tests left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from codemtl.corpus import git
from codemtl.corpus.small_changes import LARGEST, SmallChange, small_changes
from codemtl.evaluation.cases import Origin
from codemtl.evaluation.repositories import Repositories, python_files
from codemtl.inference.project import Project
from codemtl.syntax.discovery import is_test

MOST_COMMITS, MOST_LINES = 1_000, 12


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
