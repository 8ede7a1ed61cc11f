"""The one small edit that turns a function into its repaired version, where our kinds have one.

Example: ``if a < b`` repaired to ``if a <= b`` is action ``<=`` at the comparison site.

The sites are those of the one enumerator in ``codemtl.syntax``, so a fix that has an edit here is
one that the repair head can express.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from codemtl.corpus.hashing import function_tokens
from codemtl.corpus.token_changes import TokenChange
from codemtl.errors import EditError
from codemtl.syntax.actions import ACTIONS, UNDEFINED, Site, edit_for, edit_for_name
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.lexical import LexicalToken
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import parse

MAX_TOKENS = 8  # removed and added; two arguments that change places may have more
LABELS = frozenset(word for action in ACTIONS for word in (action.label, *action.label.split()))


def single_edit(change: TokenChange) -> tuple[str, Edit] | None:
    """Kind and edit of the file before, or None where no single edit of ours is the repair."""
    if not is_plausible(change):
        return None
    first, last = change.spans[0], change.spans[-1]
    scopes = analyze(change.old_tree)
    cured = _cured_name(change, scopes)
    if cured is not None:
        return UNDEFINED, cured
    start = change.before[first[0] - 1].end if first[0] else change.before[0].start
    end = change.before[last[1]].start if last[1] < len(change.before) else change.before[-1].end
    wanted = _squeezed(change.after)
    found = enumerate_sites(change.old_tree, change.old_definition.node, scopes)
    for site in found.sites:
        if site.end < start or site.start > end:
            continue
        for edit in _edits(change, site, found.groups):
            if _squeezed_with(change.before, edit) == wanted and _gives(change, edit):
                return site.kind, edit
    return None


def is_plausible(change: TokenChange) -> bool:
    """Whether a single edit could be all of the change: what follows takes much longer to tell."""
    removed, added = change.removed, change.added
    one, two = [token.text for token in removed], [token.text for token in added]
    if Counter(one) == Counter(two):  # exchanged arguments
        return True
    if len(change.spans) > 1 or len(one) + len(two) > MAX_TOKENS:
        return False
    if len(one) == 1 and removed[0].is_name:
        return True
    if not one and "." in (two[0], two[-1]):  # an undefined name that was an attribute
        return True
    return all(text in LABELS or text.isdigit() for text in (*one, *two))


def _edits(change: TokenChange, site: Site, groups: list[tuple[str, ...]]) -> Iterator[Edit]:
    """The edits at a site that could be the repair; a name must be the one that stands there."""
    tree = change.old_tree
    if site.candidates >= 0:
        a, b, c, d = change.spans[0]
        one = len(change.spans) == b - a == d - c == 1 and change.before[a].start == site.start
        if one and change.after[c].text in groups[site.candidates]:
            yield edit_for_name(tree, site, change.after[c].text)
        return
    for action in site.options:
        try:
            yield edit_for(tree, site, action)
        except EditError:
            continue


def _gives(change: TokenChange, edit: Edit) -> bool:
    """Whether an edit of the file before gives the tokens of the function after."""
    tree = parse(apply(change.old_tree.data, [edit]))
    start = change.old_definition.node.start_byte
    for found in functions(tree):
        if found.node.start_byte == start:
            texts = [token.text for token in function_tokens(tree, found.node)]
            return texts == [token.text for token in change.after]
    return False


def _cured_name(change: TokenChange, scopes: Scopes) -> Edit | None:
    """The replacement of an undefined name that is all of the repair and leaves less undefined."""
    node = change.old_definition.node
    undefined = scopes.undefined_names
    before, after = change.before, change.after
    for found in undefined:
        if not node.start_byte <= found.start < node.end_byte:
            continue
        index = next((i for i, token in enumerate(before) if token.start == found.start
                      and token.text == found.name), None)  # fmt: skip
        if index is None:
            continue
        end = len(after) - (len(before) - index - 1)
        if end <= index or not _equal(before[:index], after[:index]):
            continue
        if not _equal(before[index + 1 :], after[end:]):
            continue
        text = change.new_tree.data[after[index].start : after[end - 1].end].decode()
        left = analyze(change.new_tree).undefined_names
        if len(left) < len(undefined) and "\n" not in text:
            return Edit(found.start, found.end, text)
    return None


def _equal(one: list[LexicalToken], two: list[LexicalToken]) -> bool:
    return [token.text for token in one] == [token.text for token in two]


def _squeezed(tokens: list[LexicalToken]) -> str:
    return "".join(token.text for token in tokens if token.end > token.start)


def _squeezed_with(tokens: list[LexicalToken], edit: Edit) -> str:
    """The squeezed text of tokens after an edit that replaces whole tokens."""
    head = [token for token in tokens if token.end <= edit.start]
    tail = [token for token in tokens if token.start >= edit.end and token.end > edit.start]
    return _squeezed(head) + "".join(edit.replacement.split()) + _squeezed(tail)
