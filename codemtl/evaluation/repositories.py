"""The other files of a case's project, from the repositories that the corpus was mined from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from codemtl.corpus import git
from codemtl.corpus.build import sources_at
from codemtl.errors import DataError
from codemtl.evaluation.cases import Origin
from codemtl.inference.project import Project


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

    def around(self, origin: Origin) -> Project | None:
        """The project of a case as it was before the fix; None if its commit is not here."""
        folder = self.git.get(origin.project)
        if folder is None or not _holds(folder, origin.tree):
            return None
        return _Tree(folder, origin.tree, origin.path)


@cache
def _holds(folder: str, commit: str) -> bool:
    return bool(git.output(folder, "rev-parse", "-q", "--verify", f"{commit}^{{commit}}"))


@dataclass(frozen=True, slots=True)
class _Tree:
    """The files of a commit but one."""

    git: str
    commit: str
    path: str

    def mentions(self, name: str) -> bool:
        """Whether another Python file of the project holds the word."""
        files = ("*.py", "*.pyi", f":(exclude,literal){self.path}")
        return bool(git.output(
            self.git, "grep", "-l", "-w", "-F", "-e", name, self.commit, "--", *files
        ))  # fmt: skip
