"""Calls that do not fit what they call: how often the repair is what the project wrote then.

    python scripts/broken_calls.py --repositories FOLDER [--split validation] [--jobs N]

The bugs come from the last 1,000 commits of each project of the split (`data/sources.tsv`) in
FOLDER: what a commit does to a file in which it changes at most twelve lines, where a call does not
fit its definition before, and one of the same function at the same place does after it. Tests are
left out. Then what is said of the files of the last commits, in which most is right.
No model takes part.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tree_sitter import Node

from codemtl.corpus import git
from codemtl.corpus.small_changes import SmallChange, small_changes
from codemtl.evaluation.cases import Origin
from codemtl.evaluation.repositories import Repositories, python_files
from codemtl.evaluation.results import percent
from codemtl.evaluation.workers import run
from codemtl.inference.broken_calls import BrokenCall, broken_calls
from codemtl.inference.known_calls import KnownCall, known_calls
from codemtl.inference.project import Project
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.definitions import functions
from codemtl.syntax.discovery import is_test
from codemtl.syntax.edits import apply
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import grouped_share

MOST_COMMITS, MOST_LINES = 1_000, 12
RIGHT, OTHER, SILENT = "as the project wrote", "another repair", "no repair"
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
    options = _arguments()
    repositories = Repositories.at(options.repositories)
    with SOURCES.open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        projects = sorted(
            (row["repository"], repositories.git[row["repository"]]) for row in rows
            if row["split"] == options.split and row["repository"] in repositories.git
        )  # fmt: skip
    found = run(_fixed, projects, _nothing, options.jobs, "calls that commits mend")
    mended = [one for told in found for one in told]
    last = run(_said, projects, _nothing, options.jobs, "last commits")
    print_command()
    print(f"{len(projects)} projects of the {options.split} split")
    _print("mended by a commit", mended)
    said = [one for told, _ in last for one in told]
    print(f"said of {sum(count for _, count in last)} functions of last commits: {len(said)}")
    if options.show:
        for one in (*mended, *said):
            print(*one, sep="\t")


def _print(title: str, told: Sequence[Told]) -> None:
    groups = np.unique([one.project for one in told], return_inverse=True)[1]
    print(f"{title}: {len(told)} of {len(set(groups))} projects")
    for answer in (RIGHT, DEFINITION, OTHER, SILENT):
        hits = np.array([one.answer == answer for one in told], float)
        print(f"  {answer}: {percent(grouped_share(hits, groups))}")
    sure = [one for one in told if one.answer != SILENT and one.repaired != one.before]
    hits = np.array([one.answer == RIGHT for one in sure], float)
    groups = np.unique([one.project for one in sure], return_inverse=True)[1]
    print(f"right of the {len(sure)} repairs: {percent(grouped_share(hits, groups))}")


def _nothing() -> None:
    """A process needs nothing to begin."""


def _fixed(_: None, source: tuple[str, str]) -> list[Told]:
    name, folder = source
    repositories, told = Repositories({name: folder}), []
    for change in small_changes(folder, MOST_COMMITS, MOST_LINES):
        if is_test(change.path):
            continue
        before = analyze(parse(change.before))
        project = repositories.around(
            Origin(name, change.commit, change.path, parent=change.parent)
        )
        refused = broken_calls(before, project)
        if refused:
            later = repositories.around(Origin(name, change.commit, change.path))
            told += _mended(name, change, before, refused, later, known_calls(before, project))
    return told


def _mended(
    name: str,
    change: SmallChange,
    before: Scopes,
    refused: Sequence[BrokenCall],
    later: Project | None,
    known: Sequence[KnownCall],
) -> Iterator[Told]:
    """What became of calls that did not fit."""
    after = analyze(parse(change.after))
    left = Counter(_key(after, one.known) for one in broken_calls(after, later))
    calls = [one for one in known_calls(after, later) if one.signature.accepts(one.call)]
    for one in {_key(before, one.known): one for one in reversed(refused)}.values():
        key, data = _key(before, one.known), before.tree.data
        text = _plain(one.known.node)
        now = {_whole(call) for call in calls if _key(after, call) == key}
        new = sorted(now - {_whole(call) for call in known if _key(before, call) == key})
        if left[key] or not (new or text in now):
            continue
        start, end, edit = one.known.node.start_byte, one.known.node.end_byte, one.repair
        inside = edit is not None and start <= edit.start and edit.end <= end
        repaired = text if edit is None else edit.replacement
        if edit is not None and inside:
            longer = len(edit.replacement.encode()) - (edit.end - edit.start)
            repaired = _plain(apply(data, [edit])[start : end + longer])
        if edit is None:
            answer = SILENT
        elif new:
            answer = RIGHT if repaired in new else OTHER
        else:
            answer = DEFINITION if inside else RIGHT
        line = data.count(b"\n", 0, start) + 1
        yield Told(
            name, change.commit, change.path, line, one.trouble, text, repaired,
            (new or [text])[0], answer,
        )  # fmt: skip


def _key(scopes: Scopes, one: KnownCall) -> tuple[str | None, str]:
    """The function around a call, and what it calls."""
    found = scopes.function_of(scopes.scope_at(one.node).index)
    return found.qualname if found is not None else None, one.callee


def _whole(one: KnownCall) -> str:
    """A call, with ``await`` before it."""
    above = one.node.parent
    return _plain(above if above is not None and above.type == "await" else one.node)


def _plain(code: Node | bytes) -> str:
    """Without blanks, as projects lay out their lines differently."""
    text = code if isinstance(code, bytes) else code.text or b""
    return b"".join(text.split()).replace(b",)", b")").decode("utf-8", "replace")


def _said(_: None, source: tuple[str, str]) -> tuple[list[Told], int]:
    """What is said of the files of a project's last commit, and how many functions these have."""
    name, folder = source
    repositories, told, count = Repositories({name: folder}), list[Told](), 0
    commit = git.output(folder, "rev-parse", "HEAD").strip()
    with git.reader(folder) as read:
        for path, (_, blob) in sorted(python_files(folder, commit, "-r").items()):
            text = read(blob)
            if is_test(path) or not text or len(text) > 400_000:
                continue
            scopes = analyze(parse(text))
            count += len(functions(scopes.tree))
            for one in broken_calls(scopes, repositories.around(Origin(name, commit, path))):
                node, repair = one.known.node, one.repair.replacement if one.repair else ""
                line = text.count(b"\n", 0, node.start_byte) + 1
                told.append(
                    Told(name, commit, path, line, one.trouble, _plain(node), repair, "", "")
                )
    return told, count


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--repositories", type=Path, required=True, help="where the corpus was mined"
    )
    parser.add_argument("--split", default="validation")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--show", action="store_true", help="what is said of each")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
