"""Calls that do not fit what they call: how often the repair is what the project wrote then.

    python scripts/broken_calls.py --repositories FOLDER [--split validation] [--jobs N]

The bugs come from the last 1,000 commits of each project of the split (`data/sources.tsv`) in
FOLDER: what a commit does to a file in which it changes at most twelve lines, where a call does not
fit its definition before, and one of the same function at the same place does after it. Tests are
left out. Then what is said of the files of the last commits, in which most is right.
Two calls are the same that hand over the same for each parameter, by position or by name.
No model takes part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tree_sitter import Node

from codemtl.corpus.small_changes import SmallChange
from codemtl.evaluation.histories import (
    OTHER,
    RIGHT,
    SILENT,
    changed_files,
    history_arguments,
    last_files,
    print_histories,
)
from codemtl.inference.broken_calls import BrokenCall, broken_calls
from codemtl.inference.known_calls import KnownCall, known_calls
from codemtl.inference.mended_calls import arguments
from codemtl.inference.project import Project
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import apply
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.tree import parse

DEFINITION = "the project changed the definition"
SOURCES = Path(__file__).parent.parent / "data" / "sources.tsv"


class Told(NamedTuple):
    """What is said of one call."""

    project: str
    commit: str
    path: str
    line: int
    trouble: str
    before: str
    repaired: str
    after: str  # what the project wrote; nothing of a last commit
    answer: str


def main() -> None:
    options = history_arguments(argument_parser(__doc__))
    print_command()
    print_histories(options, SOURCES, _fixed, _said, DEFINITION)


def _fixed(_: None, source: tuple[str, str]) -> list[Told]:
    told = list[Told]()
    for change, was, now in changed_files(*source):
        before = analyze(parse(was.text))
        broken = broken_calls(before, was.project)
        if broken:
            told += _mended(source[0], change, before, broken, (was.project, now.project))
    return told


def _mended(
    name: str,
    change: SmallChange,
    before: Scopes,
    broken: Sequence[BrokenCall],
    projects: tuple[Project | None, Project | None],
) -> Iterator[Told]:
    """What became of calls that cannot work."""
    after, (project, later) = analyze(parse(change.after)), projects
    left = Counter(_key(after, one.known) for one in broken_calls(after, later))
    known = known_calls(before, project)
    calls = [one for one in known_calls(after, later) if one.signature.accepts(one.call)]
    for one in {_key(before, one.known): one for one in reversed(broken)}.values():
        key, data, edit, node = _key(before, one.known), change.before, one.repair, one.known.node
        now = {_meaning(call): call for call in calls if _key(after, call) == key}
        was = {_meaning(call) for call in known if _key(before, call) == key}
        new = [meaning for meaning in now if meaning not in was]
        same = any(_text(call.node) == _text(node) for call in now.values())
        if left[key] or not (new or same):
            continue
        inside = edit is not None and node.start_byte <= edit.start and edit.end <= node.end_byte
        repaired = None
        if edit is not None and inside:
            changed = analyze(parse(apply(data, [edit])))
            there = [call for call in known_calls(changed, project) if call.callee == key[1]]
            repaired = next(call for call in there if call.node.start_byte >= node.start_byte)
        if edit is None:
            answer = SILENT
        elif repaired is None:
            answer = RIGHT if same else OTHER
        elif same:
            answer = DEFINITION
        else:
            answer = RIGHT if _meaning(repaired) in new else OTHER
        text = _text(repaired.node) if repaired is not None else edit.replacement if edit else ""
        yield Told(
            name, change.commit, change.path, node.start_point.row + 1, one.trouble, _text(node),
            text, _text(now[new[0]].node) if new else "", answer,
        )  # fmt: skip


def _meaning(one: KnownCall) -> frozenset[tuple[str, str]]:
    """What a call hands over for which parameter, and whether it is awaited."""
    names, found, above = one.signature.names, set[tuple[str, str]](), one.node.parent
    positional, keywords = arguments(one.node)
    for at, node in enumerate(positional):
        found.add((names[at] if at < len(names) else str(at), _text(node)))
    found |= {(_text(name), _text(value)) for name, value in keywords}
    return frozenset(found | {("await", str(above is not None and above.type == "await"))})


def _key(scopes: Scopes, one: KnownCall) -> tuple[str | None, str]:
    """The function around a call, and what it calls."""
    found = scopes.function_of(scopes.scope_at(one.node).index)
    return found.qualname if found is not None else None, one.callee


def _text(node: Node) -> str:
    """Without blanks, as projects lay out their lines differently."""
    return b"".join((node.text or b"").split()).decode("utf-8", "replace")


def _said(_: None, source: tuple[str, str]) -> tuple[list[Told], int]:
    """What is said of the files of a project's last commit, and how many functions these have."""
    told, count = list[Told](), 0
    for file in last_files(*source):
        scopes = analyze(parse(file.text))
        count += len(functions(scopes.tree))
        for one in broken_calls(scopes, file.project):
            node, repair = one.known.node, one.repair.replacement if one.repair else ""
            line = file.text.count(b"\n", 0, node.start_byte) + 1
            told.append(Told(*file.origin[:3], line, one.trouble, _text(node), repair, "", ""))
    return told, count


if __name__ == "__main__":
    script(main)
