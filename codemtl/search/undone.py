"""What was changed since the last commit, each change taken back: the first candidates.

Where tests fail since somebody changed something, the bug is in what they changed (delta debugging:
Zeller 1999, "Yesterday, my program worked. Today, it does not. Why?", doi:10.1145/318774.318946).
Of some lines that changed together each is taken back by itself too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from heapq import nlargest
from typing import NamedTuple

from codemtl.inference.project import committed
from codemtl.search.candidates import Candidate
from codemtl.search.localization import Suspicion
from codemtl.search.outcomes import Baseline
from codemtl.search.queue import Item
from codemtl.search.singles import SearchFile
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit, common_prefix, difference

UNDONE = 0.3  # probability that one of them is the repair
UNRUN = 0.05  # suspicion of a change that no failing test runs, such as one outside of functions
MOST = 40  # changes that are taken back
MOST_PAIRS = 4_000_000  # of lines that are compared: a file that is another now was not "changed"
RULE, ADDED, KIND = "undo", "undo-added", "rewrite"


class Change(NamedTuple):
    """Lines of a file that are new, from 0, and what stood there in the last commit."""

    first: int
    end: int
    before: tuple[bytes, ...]


def undone(files: Sequence[SearchFile], baseline: Baseline) -> list[Item]:
    """Candidates whose weights sum up to ``UNDONE``, most suspicious first."""
    found: list[Item] = []
    for file in files:
        before = committed(file.source)
        if before is None or before == file.source.data:
            continue
        suspicion = Suspicion(file.tree, file.path, baseline)
        lines = file.source.data.splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        for change in changes(before.splitlines(keepends=True), lines):
            edit = _edit(file.source.data, starts, change)
            owners = [one for one in file.functions if _holds(one, file.source.data, edit, change)]
            if not (owners or file.outside):
                continue
            near = range(change.first + (change.first < change.end), change.end + 2)
            here = max((suspicion.lines.get(line, 0.0) for line in near), default=0.0)
            name = max(owners, key=lambda one: one.start).qualname if owners else None
            rule = RULE if change.before else ADDED
            weight = max(here, UNRUN) if suspicion.known else 1.0
            found.append(Item(file.path, Candidate((edit,), weight, rule, KIND, name)))
    found = nlargest(MOST, found, key=lambda item: item.candidate.weight)
    total = sum(item.candidate.weight for item in found)
    return [
        item._replace(candidate=item.candidate.weighing(UNDONE * item.candidate.weight / total))
        for item in found
    ]


def changes(before: Sequence[bytes], now: Sequence[bytes]) -> Iterator[Change]:
    """What differs; none where too much does."""
    head = common_prefix(before, now)
    most = min(len(before), len(now)) - head
    tail = min(most, common_prefix(before[::-1], now[::-1]))
    old, new = before[head : len(before) - tail], now[head : len(now) - tail]
    if len(old) * len(new) > MOST_PAIRS:
        return
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        yield Change(head + c, head + d, tuple(old[a:b]))
        if b - a == d - c > 1:
            for at in range(b - a):
                yield Change(head + c + at, head + c + at + 1, (old[a + at],))


def _holds(function: Definition, data: bytes, edit: Edit, change: Change) -> bool:
    """Whether all of a change is in a function, or was: its last lines may be gone now."""
    if edit.start < function.start:
        return False
    if edit.end <= function.end and (edit.start < function.end or "\n" not in edit.replacement):
        return True
    column = function.start - (data.rfind(b"\n", 0, function.start) + 1)
    behind = (line.strip() for line in data[function.end : edit.end].splitlines())
    return all(line[:1] in (b"", b"#") for line in behind) and all(
        len(line) - len(line.lstrip()) > column for line in change.before if line.strip()
    )


def _edit(data: bytes, starts: Sequence[int], change: Change) -> Edit:
    """A change taken back, without what both begin and end with."""
    start = starts[change.first]
    edit = difference(data[start : starts[change.end]], b"".join(change.before))
    return Edit(start + edit.start, start + edit.end, edit.replacement)
