"""What `codemtl repair` says of a whole project: how much, and the surest findings to be read.

    codemtl repair FOLDER --format json --min-confidence 0.005 > FILE
    python scripts/read_findings.py FILE [--top 50] [--root DIR]

Run both in the same folder, or name it with --root. Files that could not be read do not count.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from codemtl.scripting import argument_parser, script
from codemtl.syntax.definitions import functions
from codemtl.syntax.files import SourceFile
from codemtl.syntax.tree import parse

THRESHOLD = 0.1  # of the shipped weights
AROUND = 3  # lines before and after


def main() -> int:
    options = _arguments()
    document = json.loads(options.file.read_text("utf-8"))
    found: list[tuple[dict[str, Any], str, list[str]]] = []
    lines = count = 0
    files = [entry for entry in document["files"] if entry["status"] == "ok"]
    for entry in files:
        data = SourceFile.read(options.root / entry["path"]).data
        text = data.decode("utf-8", "replace").splitlines()
        lines += len(text)
        count += len(functions(parse(data)))
        found += [(one, entry["path"], text) for one in entry["findings"]]
    found.sort(key=lambda one: -one[0]["confidence"])
    shown = [one for one, _, _ in found if one["confidence"] >= options.threshold]
    print(f"model: {document['model']['name']} {document['model']['revision']}")
    print(f"files: {len(files)}; lines: {lines}; functions: {count}")
    print(f"findings from {options.threshold}: {len(shown)}, "
          f"{1000 * len(shown) / max(count, 1):.2f} in 1,000 functions; "
          f"{dict(Counter(one['kind'] for one in shown))}")  # fmt: skip
    for number, (one, path, text) in enumerate(found[: options.top], start=1):
        print(f"\n=== {number}: {one['confidence']:.3f} {one['kind']} {path}:{one['line']} "
              f"in {one['function']}: {one['message']}")  # fmt: skip
        first = max(one["line"] - 1 - AROUND, 0)
        for row, line in enumerate(text[first : one["line"] + AROUND], start=first + 1):
            print(f"{'>' if row == one['line'] else ' '} {row:5} {line}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("file", type=Path, help="what `codemtl repair --format json` printed")
    parser.add_argument("--root", type=Path, default=Path(), help="where that was run")
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    parser.add_argument("--top", type=int, default=50, help="findings to print")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
