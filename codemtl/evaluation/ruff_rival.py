"""ruff as a rival: ``ruff check --select F,B,PL`` over all cases in one call.

Read in ruff's favour where there is a choice:

- A bug counts as located if a diagnostic touches its line(s) that the file without the bug does not
  have on that line; what else ruff says about the function does not count against it.
- ruff gives no confidence, so its rule groups are taken as one: F and PLE (errors) before B and
  PLW (probable bugs) before PLC and PLR (conventions, refactoring). A clean function is a false
  alarm if a diagnostic of the groups shown starts inside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codemtl.ending import tidy
from codemtl.errors import DataError
from codemtl.evaluation.cases import RepairCase
from codemtl.evaluation.synthetic import function_at
from codemtl.syntax.positions import Positions
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import NOTHING, Array

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
        """How sure ruff is of such a rule; see ``TIERS``."""
        return TIERS.get(self.code.rstrip("0123456789"), 0)


class RuffScores(NamedTuple):
    """The tier of each function's strongest diagnostic, ``NOTHING`` without any."""

    bugs: Array  # only new diagnostics on the lines of the bug
    anywhere: Array  # whether the mutated function has any new diagnostic
    clean: Array  # by clean file and function, in the order of the cases
    version: str


def run_ruff(bugs: Sequence[RepairCase], clean: Sequence[RepairCase]) -> RuffScores | None:
    """Write all files to a temporary folder, check them, and look at what was said.

    None where ruff is not installed. Raises DataError if it fails.
    """
    ruff = _executable()
    if ruff is None:
        return None
    version = subprocess.run([ruff, "--version"], capture_output=True, text=True, check=False)
    with tidy(), tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for number, bug in enumerate(bugs):
            _put(folder / f"old{number}", bug.origin.path, bug.fixed)
            _put(folder / f"new{number}", bug.origin.path, bug.data)
        for number, file in enumerate(clean):
            _put(folder / f"clean{number}", file.origin.path, file.data)
        said = check(ruff, folder)
    found = [
        _bug(bug, _fresh(said[f"old{number}"], said[f"new{number}"]))
        for number, bug in enumerate(bugs)
    ]
    flagged = [
        tier for number, file in enumerate(clean) for tier in _flagged(file, said[f"clean{number}"])
    ]
    located, anywhere = zip(*found, strict=True) if found else ((), ())
    return RuffScores(
        np.array(located, float), np.array(anywhere, bool), np.array(flagged, float),
        version.stdout.strip(),
    )  # fmt: skip


def _bug(bug: RepairCase, fresh: list[Diagnostic]) -> tuple[float, bool]:
    """The strongest new diagnostic on the lines of a bug, and whether any is in its function."""
    assert bug.truth is not None
    positions = Positions(bug.data)
    spans = [_lines(positions, low, max(low, high - 1)) for low, high in bug.truth.spans]
    around = _lines(positions, bug.truth.start, bug.truth.end)
    there = [d for d in fresh if any(d.first <= last and first <= d.last for first, last in spans)]
    return _strongest(there), any(around[0] <= d.first <= around[1] for d in fresh)


def _flagged(file: RepairCase, said: list[Diagnostic]) -> list[float]:
    """The strongest diagnostic in each function of a clean file."""
    tree, positions = parse(file.data), Positions(file.data)
    found = []
    for start in file.starts:
        function = function_at(tree, start)
        first, last = _lines(positions, start, function.node.end_byte if function else start)
        found.append(_strongest([d for d in said if first <= d.first <= last]))
    return found


def _executable() -> str | None:
    """Beside the interpreter, or on the path."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return shutil.which(COMMAND[0], path=os.pathsep.join(folders))


def check(ruff: str, folder: Path) -> Mapping[str, list[Diagnostic]]:
    """The diagnostics of each folder directly below ``folder``."""
    command = [ruff, *COMMAND[1:], *OPTIONS, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise DataError(f"{' '.join(COMMAND)} failed: {found.stderr.strip()}")
    said: dict[str, list[Diagnostic]] = defaultdict(list)
    for line in found.stdout.rstrip("\n").split("\n") if found.stdout else ():
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
