"""The other files of a case's project, from the repositories that the corpus was mined from."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from codemtl.corpus import git
from codemtl.corpus.build import sources_at
from codemtl.errors import DataError
from codemtl.evaluation.cases import Origin
from codemtl.inference.project import Project, beside
from codemtl.syntax.history import UNKNOWN, History, history


@dataclass(frozen=True, slots=True)
class Repositories:
    """Git directories by the names of their projects."""

    git: Mapping[str, str]

    @classmethod
    def at(cls, folder: Path) -> Repositories:
        """Those at or below a folder. Raises DataError if there is none."""
        found = {one.project: one.location for one in sources_at([folder]) if one.kind == "git"}
        if not found:
            raise DataError(f"no git repository below {folder}; name the folder that was mined")
        return cls(found)

    def of_split(self, split: str, sources: Path) -> list[tuple[str, str]]:
        """Projects of a split of ``data/sources.tsv`` that are here: names and git directories.

        Raises DataError if there is none.
        """
        with sources.open(encoding="utf-8") as file:
            names = [
                row["repository"] for row in csv.DictReader(file, delimiter="\t")
                if row["split"] == split
            ]  # fmt: skip
        found = sorted((name, self.git[name]) for name in names if name in self.git)
        if not found:
            raise DataError(
                f"no project of the split {split!r} of {sources} is among the repositories"
            )
        return found

    def around(self, origin: Origin) -> Project | None:
        """The project of a case as it was before the fix; None if its commit is not here."""
        folder = self._folder(origin)
        return None if folder is None else _Tree(folder, origin.tree, origin.path)

    def beside(self, origin: Origin) -> tuple[bytes, ...]:
        """As `Projects.beside`, of that project; nothing if its commit is not here."""
        folder = self._folder(origin)
        if folder is None:
            return ()
        place, _, name = origin.path.rpartition("/")
        files = python_files(folder, f"{origin.tree}:{place}")
        with git.reader(folder) as read:
            names = beside(name, {name: size for name, (size, _) in files.items()})
            return tuple(text for one in names if (text := read(files[one][1])))

    def history(self, origin: Origin) -> History:
        """Of a case's file; empty if its commit is not here."""
        folder = self._folder(origin)
        if folder is None:
            return UNKNOWN
        return history(("--git-dir", folder), origin.path, origin.tree)

    def _folder(self, origin: Origin) -> str | None:
        folder = self.git.get(origin.project)
        return folder if folder is not None and _holds(folder, origin.tree) else None


def beside_case(origin: Origin, repositories: Repositories | None) -> tuple[bytes, ...]:
    """The texts beside a case's file; none without repositories."""
    return () if repositories is None else repositories.beside(origin)


@lru_cache(maxsize=64)
def python_files(folder: str, tree: str, *options: str) -> dict[str, tuple[int, str]]:
    """The Python files of a tree of a git directory, links aside: bytes and object of each.

    With the option ``-r`` those of its folders too.
    """
    found = {}
    listed = git.output(folder, "ls-tree", "-l", "-z", *options, tree)
    for line in filter(None, listed.split("\0")):
        meta, _, name = line.partition("\t")
        mode, _, blob, size = meta.split()
        if name.endswith(".py") and mode.startswith("100") and size.isdigit():
            found[name] = int(size), blob
    return found


@lru_cache(maxsize=1 << 10)
def _entries(folder: str, tree: str) -> frozenset[str]:
    """What stands in a tree."""
    return frozenset(
        filter(None, git.output(folder, "ls-tree", "-z", "--name-only", tree).split("\0"))
    )


@lru_cache(maxsize=256)
def _text(folder: str, name: str) -> bytes:
    with git.reader(folder) as read:
        return read(name) or b""


@cache
def _holds(folder: str, commit: str) -> bool:
    return bool(git.output(folder, "rev-parse", "-q", "--verify", f"{commit}^{{commit}}"))


@dataclass(frozen=True, slots=True)
class _Tree:
    """The files of a commit but one."""

    git: str
    commit: str
    place: str

    @property
    def files(self) -> Collection[str]:
        """The paths of the project's Python files."""
        return python_files(self.git, self.commit, "-r").keys()

    def names(self, folder: str) -> frozenset[str]:
        """What stands in a folder; see `Project`."""
        return _entries(self.git, f"{self.commit}:{'' if folder == '.' else folder}")

    def text(self, path: str) -> bytes:
        """What a file holds; see `Project`."""
        return _text(self.git, f"{self.commit}:{path}")

    def mentions(self, name: str) -> bool:
        """Whether another Python file of the project holds the word."""
        return bool(self._holding(name, "*.py", "*.pyi"))

    def holding(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The other files that hold the word; see `Project`."""
        files = python_files(self.git, self.commit, "-r")
        with git.reader(self.git) as read:
            for path in self._holding(name, "*.py"):
                text = read(files[path][1]) if path in files else None
                if text is not None:
                    yield path, text

    def _holding(self, name: str, *patterns: str) -> list[str]:
        """The paths of the other files of these patterns that hold the word."""
        found = git.output(
            self.git, "grep", "-l", "-z", "-w", "-F", "-e", name, self.commit, "--", *patterns,
            f":(exclude,literal){self.place}",
        )  # fmt: skip
        return [one.partition(":")[2] for one in found.split("\0") if one]
