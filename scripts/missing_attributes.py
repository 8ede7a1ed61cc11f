"""Attributes that nothing defines: how often the repair is what the project wrote then.

    python scripts/missing_attributes.py --repositories FOLDER [--split validation] [--jobs N]

The bugs come from the last 1,000 commits of each project of the split (`data/sources.tsv`) in
FOLDER: what a commit does to a file in which it changes at most twelve lines, where a function
reads an attribute before that a class known whole lacks, and does so no more after it. Tests are
left out. Then what is said of the files of the last commits, in which most is right.
No model takes part, nor do earlier changes of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from codemtl.evaluation.histories import (
    OTHER,
    RIGHT,
    SILENT,
    Version,
    changed_files,
    history_arguments,
    last_files,
    print_histories,
)
from codemtl.inference.missing_attributes import missing_attributes
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.definitions import functions
from codemtl.syntax.names import CALLEE, LOAD
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.tree import parse
from codemtl.syntax.undefined import UndefinedName

DEFINED = "the project defined it then"
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
    options = history_arguments(argument_parser(__doc__))
    print_command()
    print_histories(options, SOURCES, _fixed, _said, DEFINED)


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


if __name__ == "__main__":
    script(main)
