"""Real bugs that an import cures: commits after which a file imports what it had used undefined.

Taken is what a commit does to a file where nothing but imports changes.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from codemtl.corpus import git
from codemtl.errors import DataError
from codemtl.syntax.imports import Import, imports_of
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

MOST_LINES = 12  # that change, of one file
LARGEST = 400_000  # bytes of a file
_LOG = (
    "log", "-p", "-U0", "--no-merges", "--diff-filter=M", "--no-renames", "--no-color",
    "--no-ext-diff", "--format=%x02%H %P",
)  # fmt: skip
_PART = re.compile(  # of an import over one line or several
    rb"\s*(?:(?:from\s+\S+\s+)?import\b.*"
    rb"|\(?[\w., ]+(?:\s+as\s+\w+)?\s*,?\)?\s*\\?|\)|\\)?\s*(?:#.*)?"
)


class ImportChange(NamedTuple):
    """A file before and after a commit that changes nothing in it but imports."""

    commit: str
    parent: str
    path: str
    before: bytes
    after: bytes


class ImportFix(NamedTuple):
    """A name that a file used and did not define, and the import that a commit gave it."""

    change: ImportChange
    wanted: Import


def import_changes(repository: str, most_commits: int) -> Iterator[ImportChange]:
    """What the last commits of a git directory do to files where nothing but imports changes."""
    with git.reader(repository) as read:
        for commit, parent, path in _candidates(repository, most_commits):
            before, after = read(f"{parent}:{path}"), read(f"{commit}:{path}")
            if before is None or after is None or len(before) > LARGEST:
                continue
            if set(imports_of(before)) != set(imports_of(after)) and _differ_in_imports(
                before, after
            ):
                yield ImportChange(commit, parent, path, before, after)


def import_fixes(change: ImportChange) -> Iterator[ImportFix]:
    """The names that were undefined before and are imported after."""
    added = set(imports_of(change.after)) - set(imports_of(change.before))
    if not added:
        return
    undefined = {one.name for one in analyze(parse(change.before)).undefined_names}
    for wanted in sorted(added, key=str):
        if wanted.name in undefined:
            yield ImportFix(change, wanted)


def _candidates(repository: str, most_commits: int) -> Iterator[tuple[str, str, str]]:
    """Commits with their parents, and the files in which, by the look of it, imports change."""
    commit, path, lines = b"", b"", list[bytes]()
    command = (*_LOG, "-n", str(most_commits), "--", "*.py")
    with suppress(DataError):  # a damaged commit hides what is behind it
        for line in chain(git.records(repository, *command, end=b"\n"), (b"\x02",)):
            if line[:1] in (b"\x02", b"d"):  # "diff --git"
                names = commit.decode().split()
                if path and len(names) == 2 and _are_imports(lines):
                    yield names[0], names[1], path.decode("utf-8", "replace")
                path, lines = b"", []
                commit = line[1:] if line[:1] == b"\x02" else commit
            elif line.startswith(b"+++ b/"):
                path = line[6:].rstrip(b"\t\r")
            elif line[:1] in (b"+", b"-") and not line.startswith(b"--- a/"):
                lines.append(line)


def _are_imports(lines: list[bytes]) -> bool:
    return (
        len(lines) <= MOST_LINES
        and any(line[:1] == b"+" for line in lines)
        and all(_PART.fullmatch(line[1:]) for line in lines)
    )


def _differ_in_imports(before: bytes, after: bytes) -> bool:
    """Whether two files that Python reads differ in imports and nothing else."""
    try:
        return _without_imports(before) == _without_imports(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _without_imports(data: bytes) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.dump(_Others().visit(ast.parse(data)))


class _Others(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> None:
        """Leave it out."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Leave it out."""
