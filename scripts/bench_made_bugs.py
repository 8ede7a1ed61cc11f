"""What ``codemtl repair FILE --test`` does on programs into which somebody made a bug.

    python scripts/bench_made_bugs.py [--data data/made_bugs.jsonl] [--seconds 60] [--jobs 2]
        [--names NAME,NAME...]

Small programs (application code, one to five functions or a class, no known benchmark), each with
one careless bug and its tests. Templates and their weights were chosen by looking at the sixty of
``made_bugs.jsonl``, so what they give is no result; those of ``made_bugs_test.jsonl`` are for
measuring a change of the search once, and never for design. Each program lies alone in a folder;
``codemtl repair`` runs there as a process with one thread, --jobs of them at once. Fixed: the tests
pass. As written: the syntax tree is that of the program before the bug was made.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from codemtl.scripting import argument_parser, print_command, script

DATA = Path(__file__).resolve().parent.parent / "data" / "made_bugs.jsonl"


class Outcome(NamedTuple):
    """What became of one program."""

    name: str
    kind: str
    fixed: bool
    written: bool  # as it was before the bug was made
    tried: int
    seconds: float


def main() -> None:
    options = _arguments()
    print_command()
    rows = [json.loads(line) for line in options.data.read_text("utf-8").splitlines()]
    wanted = [one for one in rows if not options.names or one["name"] in options.names.split(",")]
    found = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for one in pool.map(partial(outcome, seconds=options.seconds), wanted):
            found.append(one)
            said = "as written" if one.written else "fixed" if one.fixed else "not fixed"
            print(f"{one.name}: {said}, {one.tried} candidates, {one.seconds:.1f} s ({one.kind})")
    print(
        f"{len(found)} programs: {sum(one.fixed for one in found)} fixed, "
        f"{sum(one.written for one in found)} as written; median of candidates "
        f"{statistics.median(one.tried for one in found):g}, "
        f"of seconds {statistics.median(one.seconds for one in found):.1f}"
    )


def outcome(row: dict[str, str], seconds: float) -> Outcome:
    """Have one program repaired."""
    with tempfile.TemporaryDirectory(prefix="made-bug-") as folder:
        file = Path(folder, row["name"]).with_suffix(".py")
        file.write_text(row["before"], "utf-8")
        file.with_name(f"test_{file.name}").write_text(row["test"], "utf-8")
        began = time.monotonic()
        run = subprocess.run(
            [
                sys.executable, "-m", "codemtl", "repair", file.name, "--write", "--jobs", "1",
                "--test", f"{sys.executable} -m pytest -q", "--time-budget", str(seconds),
                "--format", "json",
            ],
            cwd=folder, env={**os.environ, "CODEMTL_UNPROTECTED_TESTS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        took = time.monotonic() - began
        if run.returncode > 1:
            sys.exit(f"{row['name']}: {run.stderr}")
        patch = json.loads(run.stdout)["files"][0]["patch"]
        trees = [ast.dump(ast.parse(text)) for text in (file.read_text("utf-8"), row["after"])]
        return Outcome(
            row["name"], row["kind"], patch["status"] == "fixed", trees[0] == trees[1],
            patch["candidates_tried"], took,
        )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seconds", type=int, default=60, help="for each program")
    parser.add_argument("--jobs", type=int, default=2, help="programs at once")
    parser.add_argument("--names", default="", help="only these programs")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
