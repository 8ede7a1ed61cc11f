"""Attributes that nothing defines: how often the repair is what the project wrote then.

    python scripts/missing_attributes.py --repositories FOLDER [--split validation] [--jobs N]

The bugs come from the last 1,000 commits of each project of the split (`data/sources.tsv`) in
FOLDER: what a commit does to a file in which it changes at most twelve lines, where a function
reads an attribute before that a class known whole lacks, and does so no more after it. Tests are
left out. Then what is said of the files of the last commits, in which most is right.
No model takes part, nor do earlier changes of the file.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codemtl.evaluation.histories import Version, changed_files, last_files
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import percent
from codemtl.evaluation.workers import run
from codemtl.inference.missing_attributes import missing_attributes
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.definitions import functions
from codemtl.syntax.names import CALLEE, LOAD
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.tree import parse
from codemtl.syntax.undefined import UndefinedName
from codemtl.tasks.metrics import grouped_share

RIGHT, DEFINED = "as the project wrote", "the project defined it then"
OTHER, SILENT = "another repair", "no repair"
SOURCES = Path(__file__).parent.parent / "data" / "sources.tsv"


class Told(NamedTuple):
    """What is said of one attribute of a function."""

    project: str
    commit: str
    path: str
    line: int
    name: str
    suggestion: str
    answer: str
    text: str  # of the line


def main() -> None:
    options = _arguments()
    projects = Repositories.at(options.repositories).of_split(options.split, SOURCES)
    found = run(_fixed, projects, _nothing, options.jobs, "attributes that commits mend")
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
    for answer in (RIGHT, DEFINED, OTHER, SILENT):
        hits = np.array([one.answer == answer for one in told], float)
        print(f"  {answer}: {percent(grouped_share(hits, groups))}")


def _nothing() -> None:
    """A process needs nothing to begin."""


def _fixed(_: None, source: tuple[str, str]) -> list[Told]:
    told = list[Told]()
    for _, was, now in changed_files(*source):
        before = analyze(parse(was.text))
        missing = missing_attributes(before, was.project)
        if missing:
            told += _mended(missing, before, was, now)
    return told


def _mended(
    missing: Sequence[UndefinedName], before: Scopes, was: Version, now: Version
) -> Iterator[Told]:
    """What became of attributes that were missing, one of each name and function."""
    after = analyze(parse(now.text))
    left = {(one.function, one.name) for one in missing_attributes(after, now.project)}
    reads, reads_then = Counter(_reads(before)), Counter(_reads(after))
    written = reads_then - reads
    for one in {(one.function, one.name): one for one in reversed(missing)}.values():
        key = one.function, one.name
        moved = one.name in {name for function, name in reads_then if function != one.function}
        if key in left or (moved and key not in reads_then):
            continue  # the function is another one now
        if key in reads_then:
            answer = DEFINED
        elif not one.suggestions:
            answer = SILENT
        else:
            answer = RIGHT if (one.function, one.suggestions[0]) in written else OTHER
        yield _told(was, one, answer)


def _reads(scopes: Scopes) -> Iterator[tuple[str | None, str]]:
    """Functions and the attributes that they read."""
    for use in scopes.attribute_uses:
        if use.role in (LOAD, CALLEE):
            owner = scopes.function_of(use.scope)
            yield owner.qualname if owner is not None else None, use.name


def _told(file: Version, one: UndefinedName, answer: str) -> Told:
    line = file.text.count(b"\n", 0, one.start)
    text = file.text.split(b"\n")[line].decode("utf-8", "replace").strip()
    suggestion = one.suggestions[0] if one.suggestions else ""
    origin = file.origin
    return Told(
        origin.project, origin.commit, origin.path, line + 1, one.name, suggestion, answer, text
    )


def _said(_: None, source: tuple[str, str]) -> tuple[list[Told], int]:
    """What is said of the files of a project's last commit, and how many functions these have."""
    told, count = list[Told](), 0
    for file in last_files(*source):
        scopes = analyze(parse(file.text))
        count += len(functions(scopes.tree))
        told += [_told(file, one, "") for one in missing_attributes(scopes, file.project)]
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
