"""What ``evaluate`` and ``compare`` say on a terminal: facts in lines, figures in tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codemtl.report.output import print_json, print_line, printable

WIDTH = 140  # of tables where nobody looks at a terminal


def evaluated(document: Mapping[str, Any], files: Sequence[Path], *, style: str) -> int:
    """Print the document of an evaluation and which files were written; the exit code is 0."""
    if style == "json":
        print_json(document)
        return 0
    for key, value in document.items():
        if key not in ("version", "suites"):
            print_line(f"{key + ':':14} {_fact(value)}")
    for name, suite in document["suites"].items():
        print_line(f"\n{name}", "bold")
        for key, value in suite.items():
            if key not in ("metrics", "tables", "reliability"):
                print_line(f"  {key + ':':18} {value}")
        for table in suite["tables"]:
            print_table(table)
    for file in files:
        print_line(f"wrote {file}", "green")
    return 0


def compared(document: Mapping[str, Any], files: Sequence[Path], *, style: str) -> int:
    """Print the tables of a comparison and which files were written; the exit code is 0."""
    if style == "json":
        print_json(document)
        return 0
    for table in document["tables"]:
        print_table(table)
    print_line("")
    for file in files:
        print_line(f"wrote {file}", "green")
    return 0


def planned(document: Mapping[str, Any], *, style: str) -> int:
    """Print the runs that a comparison would make, and their cost; the exit code is 0."""
    if style == "json":
        print_json(document)
        return 0
    rows = [
        [run["name"], f"{run['steps']:,}", f"{run['joint_runs']:.2f}", run["begins_with"] or "",
         run["state"]]
        for run in document["runs"]
    ]  # fmt: skip
    left, hours = document["joint_runs_left"], document["hours_left"]
    cost = f"{document['joint_runs']:.1f} joint runs in all, {left:.1f} of them left"
    if hours is not None:
        cost += f": {hours:.1f} hours at the pace of the finished runs"
    print_table({
        "title": "Runs", "head": ["run", "steps", "cost (joint runs)", "begins with", "state"],
        "rows": rows,
        "note": f"One joint run: {document['steps']:,} steps, {document['micro_batches']:,} "
        f"micro-batches of {document['micro_tokens']:,} positions. {cost}.",
    })  # fmt: skip
    return 0


def _fact(value: object) -> str:
    return " ".join(map(str, value.values())) if isinstance(value, Mapping) else str(value)


def print_table(table: Mapping[str, Any]) -> None:
    """One table with ``title``, ``head``, ``rows`` of texts, and ``note``."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        *(printable(head) for head in table["head"]),
        title=Text(printable(table["title"])), title_justify="left", box=box.MARKDOWN,
    )  # fmt: skip
    for row in table["rows"]:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    colour = bool(os.environ.get("NO_COLOR")) or not terminal
    console = Console(no_color=colour, width=None if terminal else WIDTH, file=sys.stdout)
    console.print()
    console.print(shown)
    if table["note"]:
        console.print(Text(printable(table["note"])))
