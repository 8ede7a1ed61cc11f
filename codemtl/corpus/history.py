"""The history of a repository, cheapest question first: messages, then paths, then two blobs.

One ``git log`` gives every message, one ``git diff-tree`` the changed paths of those commits whose
message says fix, and one ``git cat-file`` the two versions of the one file that is left. What is
left out is counted by its reason, and damage ends a walk early instead of ending the build.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from codemtl.corpus import filters, git, messages
from codemtl.errors import DataError

_FORMAT = "--format=%H%x01%P%x01%cI%x01%B"
_RESTARTS = 100  # damaged commits that are stepped over, at most
FILE_MODES = ("100644", "100755", "100664")
_SUBMODULE = "160000"
SUBMODULE, RENAMED = "submodule", "renames a file"  # reasons against a commit
BUILD_FILES = frozenset({"setup.py", "conf.py", "noxfile.py", "ez_setup.py", "fabfile.py"})


class Commit(NamedTuple):
    """A commit with one parent."""

    name: str
    parent: str
    date: str  # ISO 8601, of the committer
    message: str  # the first line
    silent: bool  # the message does not say fix


class PathChange(NamedTuple):
    """One path that a commit changes, as git's raw format has it."""

    mode: str  # after
    before: str  # names of the blobs; zeros where there is none
    after: str
    status: str  # A, D, M or T: renames are not looked for
    path: str


class Candidate(NamedTuple):
    """A commit that changes one Python file of the program, and perhaps tests or documentation."""

    commit: Commit
    path: str
    before: str
    after: str
    tests: bool  # it changes tests too


def candidates(
    repository: str,
    revisions: str,
    walked: Counter[str],
    rejected: Counter[str],
    *,
    silent: bool = False,
) -> Iterator[Candidate]:
    """The commits reachable by ``revisions`` whose message and paths look like a small fix.

    With ``silent`` also those whose message says nothing of a fix, nor of another purpose.
    ``walked`` counts commits and those whose message says fix, ``rejected`` why commits that say
    fix were left out.
    """
    commits = fix_commits(repository, revisions, walked, rejected, silent=silent)
    for commit, changes in path_changes(repository, commits, rejected):
        found = only_program_file(changes)
        if isinstance(found, str):
            if not commit.silent:
                rejected[found] += 1
            continue
        tests = any(is_test(change.path) for change in changes)
        yield Candidate(commit, found.path, found.before, found.after, tests)


def fix_commits(
    repository: str,
    revisions: str,
    walked: Counter[str],
    rejected: Counter[str],
    *,
    silent: bool = False,
) -> list[Commit]:
    """The commits with one parent whose message says fix and that no later commit takes back.

    With ``silent`` also those of which the message does not tell.
    """
    found: list[Commit] = []
    taken_back: set[str] = set()
    log = ("log", "-z", "--no-show-signature", "--encoding=UTF-8", _FORMAT, revisions, "--")
    try:
        for record in git.records(repository, *log):
            name, parents, date, message = record.decode("utf-8", "replace").split("\x01", 3)
            walked["commits"] += 1
            taken_back.update(one[:7] for one in messages.reverted(message))
            if " " in parents:
                walked["merges"] += 1
                continue
            reason = messages.rejection(message)
            if reason == messages.NOT_A_FIX:
                if silent and parents and messages.may_be_silent(message):
                    found.append(Commit(name, parents, date, messages.first_line(message), True))
                continue
            walked["say fix"] += 1
            if not parents:
                reason = "no parent"
            if reason is None:
                found.append(Commit(name, parents, date, messages.first_line(message), False))
            else:
                rejected[reason] += 1
    except DataError:  # a damaged commit hides what is behind it
        walked["cut short"] += 1
    kept = [one for one in found if one.name[:7] not in taken_back]
    gone = sum(one.name[:7] in taken_back for one in found if not one.silent)
    if gone:
        rejected["taken back later"] += gone
    return kept


def path_changes(
    repository: str, commits: list[Commit], rejected: Counter[str]
) -> Iterator[tuple[Commit, list[PathChange]]]:
    """The changed paths of each commit. Git stops at a damaged one: go on after it."""
    for _ in range(_RESTARTS):
        done = 0
        for changes in _path_changes(repository, commits):
            yield commits[done], changes
            done += 1
        if done == len(commits):
            return
        rejected["unreadable"] += 1
        commits = commits[done + 1 :]
    rejected["unreadable"] += len(commits)


def _path_changes(repository: str, commits: list[Commit]) -> Iterator[list[PathChange]]:
    """One list for each commit in turn; fewer where git fails."""
    names = "".join(one.name + "\n" for one in commits).encode()
    command = ("diff-tree", "--stdin", "-r", "-z", "--always", "--no-renames", "--no-abbrev")
    found: list[PathChange] | None = None
    records = git.records(repository, *command, stdin=names)
    with suppress(DataError):
        for record in records:
            if record.startswith(b":"):
                _, mode, before, after, status = record.decode().split(" ")
                path = next(records, b"").decode("utf-8", "replace")
                if found is not None:
                    found.append(PathChange(mode, before, after, status, path))
                continue
            if found is not None:
                yield found
            found = []  # the record is the name of the next commit
    if found is not None:
        yield found


def only_program_file(changes: list[PathChange]) -> PathChange | str:
    """The one Python file that a commit modifies beside tests and documentation, or a reason."""
    main = program_changes(changes)
    if not main:
        return "tests or documentation only"
    if any(one.mode == _SUBMODULE for one in main):
        return SUBMODULE
    added = {one.after for one in main if one.status == "A"}
    if any(one.status == "D" and one.before in added for one in main):
        return RENAMED
    if any(one.status != "M" for one in main):
        return "adds or removes a file"
    if not all(one.path.endswith(".py") for one in main):
        return "no Python" if not any(one.path.endswith(".py") for one in main) else "other files"
    if len(main) > 1:
        return "several files"
    if PurePosixPath(main[0].path).name in BUILD_FILES:
        return "build file"
    reason = filters.reject_path(main[0].path)
    if reason is not None:
        return f"{reason} file"
    return main[0] if main[0].mode in FILE_MODES else "no regular file"


def program_changes(changes: list[PathChange]) -> list[PathChange]:
    """The changes of a commit but for tests and documentation."""
    return [one for one in changes if not is_test(one.path) and not is_documentation(one.path)]


def is_test(path: str) -> bool:
    """Whether a path is a test or belongs to tests."""
    return filters.reject_path(path) == "test"


_DOCUMENTATION = frozenset({
    "doc", "docs", "documentation", "changelog", "changelog.d", "changes", "newsfragments", "news",
    "releasenotes", "release-notes", "release_notes", "whatsnew", "upcoming_changes",
})  # fmt: skip
_PROSE = frozenset({".rst", ".md", ".adoc", ".markdown", ".mdx"})
_NOTES = frozenset({
    "authors", "bugs", "changelog", "changes", "contributors", "copying", "credits", "history",
    "license", "news", "readme", "thanks", "todo", "changelog-next", "release_notes", "whatsnew",
})  # fmt: skip


@lru_cache(maxsize=1 << 16)  # a history names the same files again and again
def is_documentation(path: str) -> bool:
    """Whether a path is documentation, a changelog or the like."""
    parts = PurePosixPath(path.casefold())
    if _DOCUMENTATION.intersection(parts.parts[:-1]) or parts.suffix in _PROSE:
        return True
    return parts.stem in _NOTES and parts.suffix in ("", ".txt", ".in", ".html", ".yml", ".yaml")
