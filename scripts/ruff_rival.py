"""ruff as a rival: ``ruff check --select F,B,PL`` over all cases in one call.

Read in ruff's favour where there is a choice:

- A bug counts as located if a diagnostic touches its line(s) that the unmutated file does not have
  on that line; what else ruff says about the function does not count against it.
- ruff gives no confidence, so its rule groups are taken as one: F and PLE (errors) before B and
  PLW (probable bugs) before PLC and PLR (conventions, refactoring). A clean function is a false
  alarm if a diagnostic of the groups shown starts inside it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cases import Cases, Corpus, function_at, mutated
from measures import NOTHING, Array

from codemtl.syntax.positions import Positions
from codemtl.syntax.tree import parse

COMMAND = ("ruff", "check", "--select", "F,B,PL")
OPTIONS = ("--isolated", "--no-cache", "--exit-zero", "--output-format", "json-lines")
TIERS = {"F": 3, "PLE": 3, "B": 2, "PLW": 2, "PLC": 1, "PLR": 1}


class Diagnostic(NamedTuple):
    """One diagnostic; lines from 1, both inclusive."""

    code: str
    first: int
    last: int

    @property
    def tier(self) -> int:
        return TIERS.get(self.code.rstrip("0123456789"), 0)


class RuffScores(NamedTuple):
    """The tier of each function's strongest diagnostic, ``NOTHING`` without any."""

    bugs: Array  # only new diagnostics on the lines of the bug
    anywhere: Array  # whether the mutated function has any new diagnostic
    clean: Array  # by clean file and function, in the order of the cases
    version: str


def run_ruff(cases: Cases, corpus: Corpus) -> RuffScores:
    """Write all files to a temporary folder, check them, and look at what was said."""
    version = subprocess.run(["ruff", "--version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for number, bug in enumerate(cases.bugs):
            data = corpus.text(bug)
            _put(folder / f"old{number}", bug.path, data)
            _put(folder / f"new{number}", bug.path, mutated(data, bug))
        for number, file in enumerate(cases.clean):
            _put(folder / f"clean{number}", file.path, corpus.text(file))
        said = check(folder)
    bugs, anywhere, clean = [], [], []
    for number, bug in enumerate(cases.bugs):
        fresh = _fresh(said[f"old{number}"], said[f"new{number}"])
        data = mutated(corpus.text(bug), bug)
        lines = _lines(Positions(data), bug.fix[0], max(bug.fix[0], bug.fix[1] - 1))
        bugs.append(_strongest([d for d in fresh if d.first <= lines[1] and lines[0] <= d.last]))
        end = function_at(parse(data), bug.start).node.end_byte
        around = _lines(Positions(data), bug.start, end)
        anywhere.append(any(around[0] <= d.first <= around[1] for d in fresh))
    for number, file in enumerate(cases.clean):
        data = corpus.text(file)
        tree, positions = parse(data), Positions(data)
        for start in file.starts:
            first, last = _lines(positions, start, function_at(tree, start).node.end_byte)
            inside = [d for d in said[f"clean{number}"] if first <= d.first <= last]
            clean.append(_strongest(inside))
    return RuffScores(np.array(bugs), np.array(anywhere), np.array(clean), version.stdout.strip())


def check(folder: Path) -> Mapping[str, list[Diagnostic]]:
    """The diagnostics of each folder directly below ``folder``."""
    command = [*COMMAND, *OPTIONS, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, list[Diagnostic]] = defaultdict(list)
    for line in found.stdout.splitlines():
        row = json.loads(line)
        place = Path(row["filename"]).relative_to(folder).parts[0]
        span = row["location"]["row"], row["end_location"]["row"]
        said[place].append(Diagnostic(row["code"] or "E999", *span))
    return said


def _put(folder: Path, path: str, data: bytes) -> None:
    folder.mkdir()
    (folder / Path(path).name).write_bytes(data)  # some rules look at the name


def _fresh(old: list[Diagnostic], new: list[Diagnostic]) -> list[Diagnostic]:
    known = {(one.code, one.first) for one in old}
    return [one for one in new if (one.code, one.first) not in known]


def _strongest(found: list[Diagnostic]) -> float:
    return max((one.tier for one in found), default=NOTHING)


def _lines(positions: Positions, start: int, end: int) -> tuple[int, int]:
    return positions.line_column(start)[0], positions.line_column(end)[0]
