"""From two versions of a file to the one function that a commit repaired, or a reason against it.

Example: a commit turns ``if low < high`` into ``if low <= high`` in one method, and rewords a
comment. Then ``before`` and ``after`` are the two versions of the method, and the edit is ``<`` to
``<=`` of kind ``comparison``.

Comments, docstrings and layout do not count as change. The cheap questions come first: most pairs
of versions are turned down before anything is parsed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from tree_sitter import Query

from codemtl.corpus import filters, git, history
from codemtl.corpus.changed_functions import Pair, Version, changed_function
from codemtl.corpus.decoding import decode, parsed
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.hashing import token_hash
from codemtl.corpus.near_duplicates import runs, signature
from codemtl.corpus.single_edits import single_edit
from codemtl.corpus.token_changes import TokenChange, compare, unfit
from codemtl.syntax.edits import Edit, common_prefix
from codemtl.syntax.findings import KINDS
from codemtl.syntax.tree import SourceTree, captures, language, parse, reparse

MAX_APART = 400  # lines from the first changed one to the last
MAX_CHANGED_LINES = 24  # removed and added, without blank lines and comments
REWRITE = "rewrite"
# Kinds of edit that repair more often than not even if the message says nothing. Another literal
# is as a rule another default.
SILENT_KINDS = frozenset(KINDS) - {REWRITE, "literal"}


@dataclass(frozen=True, slots=True)
class Fix:
    """A repaired function. Spans are bytes in ``file``, the text before the repair, as UTF-8."""

    qualname: str
    before: str
    after: str
    start: int
    end: int
    file: str
    kind: str
    edit: Edit | None  # of ``file``; None where the kind is ``rewrite``
    hash_before: int
    hash_after: int
    signature_before: bytes  # MinHash, by which near-duplicates are found
    signature_after: bytes

    @property
    def edit_original(self) -> str:
        """The text that the edit replaces."""
        if self.edit is None:
            return ""
        return self.file.encode()[self.edit.start : self.edit.end].decode()


def mine_fixes(
    repository: str,
    revisions: str,
    project: str,
    exclusions: Exclusions,
    walked: Counter[str],
    rejected: Counter[str],
    *,
    any_licence: bool = False,
    silent: bool = False,
) -> Iterator[dict[str, Any]]:
    """Rows of the fixes among the commits that ``revisions`` (as of ``git log``) reach.

    With ``silent`` also changes by one edit of ours whose message does not say fix: of these four
    in five are repairs, so they are for training only. Counters as in ``history.candidates``.
    """
    edits: set[tuple[str, str]] = set()  # silent ones: what a project changes often is a migration
    with git.reader(repository) as read:
        for found in history.candidates(repository, revisions, walked, rejected, silent=silent):
            reasons = Counter[str]() if found.commit.silent else rejected
            old, new = read(found.before), read(found.after)
            if old is None or new is None:
                reasons["unreadable"] += 1
                continue
            if found.commit.silent and not _is_one_line(old, new):
                continue
            fix = find_fix(old, new, project, found.path, exclusions, any_licence=any_licence)
            if isinstance(fix, str):
                reasons[fix] += 1
                continue
            if found.commit.silent:
                edit = (fix.edit_original, fix.edit.replacement if fix.edit else "")
                if fix.kind not in SILENT_KINDS or edit in edits:
                    continue
                edits.add(edit)
            yield fix_row(found, fix)


def _is_one_line(old: bytes, new: bytes) -> bool:
    """Whether two versions differ in one line that stays one line, or in two of them."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) != len(after):
        return False
    differing = sum(one != two for one, two in zip(before, after, strict=True))
    return differing <= 2  # arguments that change places may stand in two


def fix_row(found: history.Candidate, fix: Fix) -> dict[str, Any]:
    """The row of a part's table."""
    commit = found.commit
    edit = fix.edit
    return {
        "commit": commit.name, "parent": commit.parent, "path": found.path,
        "qualname": fix.qualname, "before": fix.before, "after": fix.after, "start": fix.start,
        "end": fix.end, "file": fix.file, "kind": fix.kind,
        "edit_start": -1 if edit is None else edit.start,
        "edit_end": -1 if edit is None else edit.end, "edit_original": fix.edit_original,
        "edit_replacement": "" if edit is None else edit.replacement,
        "message": commit.message, "date": commit.date, "silent": commit.silent,
        "partial": False, "tests": found.tests,
        "hash_before": fix.hash_before, "hash_after": fix.hash_after,
        "signature_before": fix.signature_before, "signature_after": fix.signature_after,
    }  # fmt: skip


def find_fix(
    old: bytes,
    new: bytes,
    project: str = "",
    path: str = "",
    exclusions: Exclusions | None = None,
    *,
    any_licence: bool = False,
) -> Fix | str:
    """The function that differs between two versions of a file, or why the pair is unfit."""
    reason = _too_different(old, new) or filters.reject_data(old, any_licence=any_licence)
    if reason is not None:
        return reason
    found = versions(old, new)
    if found is None:
        return "encoding"
    pair = changed_function(*found)
    return pair if isinstance(pair, str) else judge(*found, pair, project, path, exclusions)


def versions(old: bytes, new: bytes) -> tuple[Version, Version] | None:
    """A file before and after a commit; None where one is not in the encoding that it declares."""
    one, two = decode(old), decode(new)
    if one is None or two is None:
        return None
    before = Version(parse(one.encode()))
    return before, Version(reparse(before.tree, two.encode()))


def judge(
    before: Version,
    after: Version,
    pair: Pair,
    project: str,
    path: str,
    exclusions: Exclusions | None,
) -> Fix | str:
    """The fix of one function given in both versions, or why it is none."""
    one, two = pair
    change = compare(
        before.tree, one, before.tokens(one.node), after.tree, two, after.tokens(two.node)
    )
    reason = unfit(change)
    if reason is None and exclusions is not None:
        for tokens in (change.before, change.after):
            reason = reason or exclusions.reason(project, path, one.name, [t.text for t in tokens])
    if reason is None and not (_is_python3(before.tree) and _is_python3(after.tree)):
        reason = "syntax"
    return reason or _fix(change)


def _fix(change: TokenChange) -> Fix:
    found = single_edit(change)
    kind, edit = found if found is not None else (REWRITE, None)
    node = change.old_definition.node
    before, after = ([token.text for token in tokens] for tokens in (change.before, change.after))
    return Fix(
        change.old_definition.qualname,
        change.old_tree.text(node),
        change.new_tree.text(change.new_definition.node),
        node.start_byte,
        node.end_byte,
        change.old_tree.data.decode(),
        kind,
        edit,
        token_hash(before),
        token_hash(after),
        signature(runs(before)).tobytes(),
        signature(runs(after)).tobytes(),
    )


def _too_different(old: bytes, new: bytes) -> str | None:
    """A reason against two versions judging by their lines alone."""
    before, after = old.splitlines(), new.splitlines()
    head = common_prefix(before, after)
    tail = common_prefix(before[head:][::-1], after[head:][::-1])
    before, after = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(before), len(after)) > MAX_APART:
        return "too large"
    count = 0
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            count += sum(map(_counts, before[a:b] + after[c:d]))
    if not count:
        return "no change of code"
    return "too large" if count > MAX_CHANGED_LINES else None


def _counts(line: bytes) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith(b"#")


def _is_python3(tree: SourceTree) -> bool:
    """Whether Python 3 accepts a file. Where the grammar sees nothing doubtful, it does."""
    sound = not tree.root.has_error and not captures(_doubtful(), tree.root)
    return sound or parsed(tree.data) is not None


@cache
def _doubtful() -> Query:
    """What Python 2 had, or what the grammar takes for it."""
    return Query(
        language(),
        """[(print_statement) (exec_statement) (chevron) "<>"] @old
        (raise_statement (expression_list)) @old
        (parameters (tuple_pattern)) @old
        (except_clause "," @old)
        ((integer) @old (#match? @old "^0[0-9_]*[1-9]|[lL]$"))
        ((string_start) @old (#match? @old "^[uU][rR]"))""",
    )
