"""Print mined fixes, or docstring pairs, drawn by a seed, so that a person can judge them.

    python scripts/sample_fixes.py --corpus CORPUS [--split train] [--count 100] [--seed 2026]
    python scripts/sample_fixes.py --corpus CORPUS --silent --count 50
    python scripts/sample_fixes.py --corpus CORPUS --partial --count 50
    python scripts/sample_fixes.py --corpus CORPUS --parts --count 50
    python scripts/sample_fixes.py --corpus CORPUS --pairs --count 50

CORPUS is what ``codemtl mine`` wrote. Of a fix it prints the message, where it comes from, the kind
and the diff of the function; of a pair the summary and the function. Parts are what training makes
of fixes that change a function in several places: one of them missing. The same seed draws the same
rows of the same corpus; every row of a split is as likely as any other.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from codemtl.corpus.fix_parts import fix_parts
from codemtl.corpus.fixes import REWRITE
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.edits import apply, unified_diff

Row = dict[str, Any]


def main() -> int:
    options = _arguments()
    table = datasets.load_from_disk(str(options.corpus / ("pairs" if options.pairs else "fixes")))
    wanted = np.array(table["split"]) == options.split
    if not options.pairs:
        for name in ("silent", "partial"):
            wanted &= np.array(table[name]) == getattr(options, name)
    rng = np.random.default_rng(options.seed)
    if options.parts:
        wanted &= np.array(table["kind"]) == REWRITE
        return _print_parts(table, rng.permutation(np.flatnonzero(wanted)), options.count)
    members = np.flatnonzero(wanted)
    count = min(options.count, len(members))
    drawn = sorted(rng.choice(members, count, replace=False).tolist())
    print_command()
    print(f"{count} of {len(members)} rows of {options.split}")
    functions = datasets.load_from_disk(str(options.corpus / "functions"))
    for number, index in enumerate(drawn, start=1):
        row = table[index]
        text = _pair(row, functions[row["function_id"]]) if options.pairs else _fix(row)
        print(f"\n=== {number}/{count}, row {index}: {text}")
    return 0 if count else 1


def _fix(row: Row) -> str:
    edit = ""
    if row["edit_start"] >= 0:
        edit = f"\nedit: {row['edit_original']!r} -> {row['edit_replacement']!r}"
    data = row["file"].encode()
    after = data[: row["start"]] + row["after"].encode() + data[row["end"] :]
    diff = unified_diff(row["path"], row["file"], after.decode())
    return f"{_origin(row)}\nkind: {row['kind']}{edit}\n{diff}"


def _origin(row: Row) -> str:
    return (
        f"{row['project']} {row['commit']}\n"
        f"message: {row['message']}\n"
        f"function: {row['path']}::{row['qualname']}{', with tests' if row['tests'] else ''}"
    )


def _print_parts(table: datasets.Dataset, order: np.ndarray, count: int) -> int:
    print_command()
    print(f"parts of the first of {len(order)} fixes of several places that have any")
    printed = 0
    for index in order.tolist():
        row = table[index]
        for part in fix_parts(row["file"], row["start"], row["before"], row["after"]):
            if printed == count:
                return 0
            printed += 1
            repaired = apply(part.file.encode(), [part.edit]).decode()
            diff = unified_diff(row["path"], part.file, repaired)
            print(f"\n=== {printed}/{count}, row {index}: {_origin(row)}")
            print(f"kind: {part.kind}\n{diff}")
    return 0 if printed else 1


def _pair(row: Row, function: Row) -> str:
    return (
        f"{function['project']} {function['qualname']}\nsummary: {row['summary']}\n{row['source']}"
    )


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="what codemtl mine wrote")
    parser.add_argument("--split", default="train", choices=("train", "validation", "test"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--silent", action="store_true", help="fixes whose message does not say so")
    parser.add_argument("--partial", action="store_true", help="edits inside larger fixes")
    parser.add_argument("--parts", action="store_true", help="larger fixes but for one change")
    parser.add_argument("--pairs", action="store_true", help="docstring pairs instead of fixes")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
