"""Repairs inside larger fixes: a function that changes by one edit of ours, among other changes.

Example: a commit says ``Fix submaps`` and changes three functions of two files. One of them turns
``xrange.astype(int)`` into ``yrange.astype(int)`` and nothing else: that function before and after
is a bug with its repair, whatever the other functions had.

The diff of a commit tells cheaply where such an edit can be; only those files are parsed. Whether
it repairs anything by itself is asked in `consequences`. For training only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from codemtl.corpus import filters, git, history
from codemtl.corpus.changed_functions import Pair, Version
from codemtl.corpus.consequences import stands_alone
from codemtl.corpus.examples import MAX_LINES
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.fixes import Fix, fix_row, judge, versions
from codemtl.corpus.patches import Hunk, Patch, patches, tokens
from codemtl.corpus.single_edits import LABELS, MAX_TOKENS, is_plausible
from codemtl.corpus.token_changes import compare
from codemtl.syntax.definitions import Definition

MAX_FILES = 6  # of the program, that a commit changes
MAX_FILE_LINES = 200  # removed and added
MAX_HUNK_LINES = 4  # removed, and added
MAX_FIXES = 3  # of a commit
MAX_REPEATS = 2  # of one name for another in a project: more is a migration
_WORDS = frozenset(label.encode() for label in LABELS)


class _Candidate(NamedTuple):
    commit: history.Commit
    files: list[history.PathChange]  # of the program, modified
    tests: bool


def mine_partial_fixes(
    repository: str,
    revisions: str,
    project: str,
    exclusions: Exclusions,
    whole: Collection[str],
    *,
    any_licence: bool = False,
) -> Iterator[dict[str, Any]]:
    """Rows of single edits in commits that say fix, apart from the commits ``whole``.

    Those are the ones of which all is mined as a fix already.
    """
    found = {
        one.commit.name: one
        for one in _candidates(repository, revisions)
        if one.commit.name not in whole
    }
    edits: Counter[tuple[str, str]] = Counter()
    with git.reader(repository) as read:
        for name, patch in patches(repository, list(found)):
            rows = 0
            for file, fix in _fixes(
                found[name], patch, read, project, exclusions, any_licence=any_licence
            ):
                edit = (fix.edit_original, fix.edit.replacement if fix.edit else "")
                edits[edit] += 1
                if edit[0].isidentifier() and edits[edit] > MAX_REPEATS:
                    continue
                rows += 1
                if rows > MAX_FIXES:
                    break
                commit, _, tests = found[name]
                place = history.Candidate(commit, file.path, file.before, file.after, tests)
                yield {**fix_row(place, fix), "partial": True}


def _candidates(repository: str, revisions: str) -> Iterator[_Candidate]:
    """The commits that say fix and change a few files of the program."""
    commits = history.fix_commits(repository, revisions, Counter(), Counter())
    for commit, changes in history.path_changes(repository, commits, Counter()):
        main = history.program_changes(changes)
        reason = history.only_program_file(changes)
        if reason in (history.SUBMODULE, history.RENAMED):
            continue
        python = [one for one in main if one.path.endswith(".py")]
        files = [one for one in python if _is_modified_source(one)]
        if files and len(python) <= MAX_FILES:
            tests = any(history.is_test(change.path) for change in changes)
            yield _Candidate(commit, files, tests)


def _is_modified_source(change: history.PathChange) -> bool:
    return (
        change.status == "M"
        and change.mode in history.FILE_MODES
        and PurePosixPath(change.path).name not in history.BUILD_FILES
        and filters.reject_path(change.path) is None
    )


def _fixes(
    candidate: _Candidate,
    patch: Patch,
    read: git.Reader,
    project: str,
    exclusions: Exclusions,
    *,
    any_licence: bool,
) -> Iterator[tuple[history.PathChange, Fix]]:
    """The repairs in one commit."""
    for file in candidate.files:
        hunks = patch.get(file.path, [])
        likely = [one for one in hunks if may_be_edit(one)]
        if sum(len(one.removed) + len(one.added) for one in hunks) > MAX_FILE_LINES or not likely:
            continue
        old, new = read(file.before), read(file.after)
        if old is None or new is None or filters.reject_data(old, any_licence=any_licence):
            continue
        both = versions(old, new)
        if both is None:
            continue
        before, after = both
        for hunk in likely:
            pair = _innermost(before, after, hunk)
            if pair is None or not _is_single(before, after, pair):
                continue
            fix = judge(before, after, pair, project, file.path, exclusions)
            if isinstance(fix, Fix) and stands_alone(fix, hunk, patch, old, new):
                yield file, fix


def may_be_edit(hunk: Hunk) -> bool:
    """Whether a hunk can be a single edit judging by its tokens, as ``is_plausible`` does."""
    if not 0 < len(hunk.removed) <= MAX_HUNK_LINES or not 0 < len(hunk.added) <= MAX_HUNK_LINES:
        return False
    gone, came = hunk.change
    if not gone and not came:  # exchanged arguments, or nothing but layout
        return tokens(hunk.removed) != tokens(hunk.added)
    if len(gone) + len(came) > MAX_TOKENS:
        return False
    if len(gone) == 1 and gone[0].decode("utf-8", "replace").isidentifier():
        return True
    if not gone and b"." in came:  # an undefined name that was an attribute
        return True
    return all(text in _WORDS or text.isdigit() for text in (*gone, *came))


def _innermost(before: Version, after: Version, hunk: Hunk) -> Pair | None:
    """The innermost function that holds the lines of a hunk, in both versions."""
    old = _around(before.functions, hunk.start - 1, len(hunk.removed))
    new = _around(after.functions, hunk.new_start - 1, len(hunk.added))
    if old is None or new is None or old.qualname != new.qualname:
        return None
    return old, new


def _around(found: Sequence[Definition], row: int, rows: int) -> Definition | None:
    last = row + rows - 1
    holding = [
        one for one in found
        if one.node.start_point.row <= row and last <= one.node.end_point.row
    ]  # fmt: skip
    return holding[-1] if holding else None


def _is_single(before: Version, after: Version, pair: Pair) -> bool:
    """Whether one edit could be all that changes in a function that is whole."""
    if any(one.node.has_error for one in pair):
        return False
    if max(one.node.end_point.row - one.node.start_point.row for one in pair) >= MAX_LINES:
        return False
    old, new = pair
    change = compare(
        before.tree, old, before.tokens(old.node), after.tree, new, after.tokens(new.node)
    )
    return bool(change.spans) and is_plausible(change)
