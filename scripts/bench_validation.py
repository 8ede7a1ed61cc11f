"""Candidates judged per second: fork servers against one fresh pytest each, side by side.

    python scripts/bench_validation.py --data humanevalfix.jsonl [--tasks even] [--every 10]
                                       [--candidates 40] [--jobs 2]

Each task becomes a folder with solution.py and test_solution.py; the candidates change one
token or two. Both ways judge the same candidates in the same run, with the same number of
processes; their verdicts must agree. Exit code 1 if they do not. ``start`` is what a search pays
once: the baseline run and the servers.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

from codemtl.scripting import argument_parser, script
from codemtl.search.pool import Validator

SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+",
    "*": "+", "%": "//", "//": "%", "and": "or", "or": "and", "True": "False", "False": "True",
    "0": "1", "1": "0", "2": "1", "min": "max", "max": "min",
}  # fmt: skip
TOKEN = re.compile(r"<=|>=|==|!=|//|[<>+\-*%]|\b(?:and|or|True|False|min|max|[012])\b")
PATIENCE = 20.0  # seconds for a fresh pytest


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="humanevalfix.jsonl")
    parser.add_argument("--tasks", choices=("even", "odd", "all"), default="even")
    parser.add_argument("--every", type=int, default=10, help="take one task of so many")
    parser.add_argument("--candidates", type=int, default=40, help="of each task")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"command: {shlex.join(sys.argv)}")
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, seed {options.seed}")
    rows = [json.loads(line) for line in options.data.read_text("utf-8").splitlines()]
    wanted = {"even": (0,), "odd": (1,), "all": (0, 1)}[options.tasks]
    numbers = [at for at in range(len(rows)) if at % 2 in wanted][:: options.every]
    total, start, forked, fresh, differ = 0, 0.0, 0.0, 0.0, 0
    for number in numbers:
        row = rows[number]
        sources = candidates(row, options.candidates, random.Random(options.seed + number))
        with tempfile.TemporaryDirectory() as folder:
            build(row, Path(folder))
            began, seconds, ours = by_servers(Path(folder), sources, options.jobs)
            theirs_seconds, theirs = by_pytest(Path(folder), sources, options.jobs)
        wrong = sum(a != b for a, b in zip(ours, theirs, strict=True))
        print(f"task {number}: {len(sources)} candidates, {sum(ours)} pass; start {began:.1f} s, "
              f"servers {seconds:.2f} s, pytest {theirs_seconds:.1f} s; {wrong} differ",
              flush=True)  # fmt: skip
        total, start, differ = total + len(sources), start + began, differ + wrong
        forked, fresh = forked + seconds, fresh + theirs_seconds
    print(
        f"candidates: {total} of {len(numbers)} tasks, {options.jobs} jobs; "
        f"verdicts differ: {differ}"
    )
    print(f"fork servers: {total / forked:.1f} a second ({1000 * forked / total:.1f} ms each); "
          f"start {start / len(numbers):.1f} s a task")  # fmt: skip
    print(f"fresh pytest: {total / fresh:.2f} a second ({1000 * fresh / total:.0f} ms each)")
    print(f"ratio: {fresh / forked:.1f}")
    return 1 if differ else 0


def build(row: dict[str, Any], folder: Path) -> None:
    """Write a task as its user would have it."""
    solution = row["prompt"] + row["buggy_solution"]
    checks = re.sub(r"\ncheck\(\w+\)\s*\Z", "\n", row["test"])
    test = (
        f"from solution import *\nfrom solution import {row['entry_point']}\n{checks}\n\n"
        f"def test_solution():\n    check({row['entry_point']})\n"
    )
    (folder / "solution.py").write_text(solution, "utf-8")
    (folder / "test_solution.py").write_text(test, "utf-8")


def candidates(row: dict[str, Any], count: int, rng: random.Random) -> list[bytes]:
    """Files with one or two tokens changed, and the right one."""
    head, body = row["prompt"], row["buggy_solution"]
    places = list(TOKEN.finditer(body))
    singles = [[one] for one in places]
    pairs = [list(two) for two in combinations(places, 2)]
    rng.shuffle(singles)
    rng.shuffle(pairs)
    found = []
    for changed in [*singles, *pairs]:
        text = body
        for match in reversed(changed):
            text = text[: match.start()] + SWAPS[match[0]] + text[match.end() :]
        try:
            ast.parse(head + text)
        except SyntaxError:
            continue
        found.append((head + text).encode())
    return [*found[: count - 1], (head + row["canonical_solution"]).encode()]


def by_servers(folder: Path, sources: list[bytes], jobs: int) -> tuple[float, float, list[bool]]:
    """Seconds to start, seconds to judge, verdicts."""
    here = Path.cwd()
    os.chdir(folder)
    target = folder / "solution.py"
    began = time.perf_counter()
    try:
        with Validator(f"{shlex.quote(sys.executable)} -m pytest -q", [target], jobs=jobs) as one:
            baseline = one.baseline()
            if baseline.status != "failing":
                raise SystemExit(f"{folder}: {baseline.status}: {baseline.message}")
            for key in range(jobs):  # to have the servers up
                one.submit(-1 - key, target, b"")
            up = 0
            while up < jobs:
                up += len(one.wait())
            started = time.perf_counter()
            verdicts: dict[int, bool] = {}
            for key, source in enumerate(sources):
                one.submit(key, target, source)
            while len(verdicts) < len(sources):
                verdicts.update((key, said.status == "passed") for key, said in one.wait())
            ended = time.perf_counter()
    finally:
        os.chdir(here)
    return started - began, ended - started, [verdicts[key] for key in range(len(sources))]


def by_pytest(folder: Path, sources: list[bytes], jobs: int) -> tuple[float, list[bool]]:
    """Seconds to judge, verdicts."""
    test = (folder / "test_solution.py").read_bytes()

    def judge(source: bytes) -> bool:
        with tempfile.TemporaryDirectory() as own:
            Path(own, "test_solution.py").write_bytes(test)
            Path(own, "solution.py").write_bytes(source)
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "pytest", "-q"], cwd=own, check=False, timeout=PATIENCE,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return False
        return done.returncode == 0

    began = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = list(pool.map(judge, sources))
    return time.perf_counter() - began, verdicts


if __name__ == "__main__":
    script(main)
