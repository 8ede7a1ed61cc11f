"""What commits do to Python files in which they change a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from codemtl.corpus import git
from codemtl.errors import DataError

LARGEST = 400_000  # bytes of a file
_LOG = (
    "log", "--numstat", "--no-merges", "--diff-filter=M", "--no-renames", "--format=%x02%H %P",
)  # fmt: skip


class SmallChange(NamedTuple):
    """A file before and after a commit."""

    commit: str
    parent: str
    path: str
    before: bytes
    after: bytes


def small_changes(
    repository: str, most_commits: int, most_lines: int, most_files: int = 8
) -> Iterator[SmallChange]:
    """The files in which one of the last commits of a git directory changes few lines.

    Commits that change so more than ``most_files`` files are left out.
    """
    with git.reader(repository) as read:
        for commit, parent, paths in _commits(repository, most_commits, most_lines):
            for path in paths if len(paths) <= most_files else ():
                before, after = read(f"{parent}:{path}"), read(f"{commit}:{path}")
                if before and after and len(before) <= LARGEST:
                    yield SmallChange(commit, parent, path, before, after)


def _commits(
    repository: str, most_commits: int, most_lines: int
) -> Iterator[tuple[str, str, list[str]]]:
    names, paths = list[str](), list[str]()
    command = (*_LOG, "-n", str(most_commits), "--", "*.py")
    with suppress(DataError):  # a damaged commit hides what is behind it
        for line in chain(git.records(repository, *command, end=b"\n"), (b"\x02",)):
            if line[:1] == b"\x02":
                if paths and len(names) == 2:
                    yield names[0], names[1], paths
                names, paths = line[1:].decode().split(), []
                continue
            added, _, rest = line.partition(b"\t")
            removed, _, path = rest.partition(b"\t")
            if added.isdigit() and removed.isdigit() and int(added) + int(removed) <= most_lines:
                paths.append(path.decode("utf-8", "replace"))
