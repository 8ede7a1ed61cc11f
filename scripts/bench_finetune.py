"""``codemtl finetune`` on public repositories: the tables before and after, one for each.

    python scripts/bench_finetune.py REPO... --out FOLDER [--time-budget 15m] [--model DIR]

Each repository is tuned by itself, by the command as users run it, into FOLDER/NAME. An interrupted
benchmark goes on where it stopped. Whether a repository was in the training corpus of the shipped
weights is looked up in data/sources.tsv and said: such a one shows less than a new one.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from codemtl.corpus.build import sources_at
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.trees import Source
from codemtl.scripting import argument_parser, print_command, script

SOURCES = Path(__file__).parent.parent / "data" / "sources.tsv"


def main() -> int:
    options = _arguments()
    known = _known()
    print_command()
    failed = False
    for source in sources_at(options.repositories):
        name = canonical_name(source.project)
        split = known.get(name)
        seen = f"in the {split} split of the corpus" if split else "not in the corpus"
        print(f"\n{source.project} at {source.commit[:12]}: {seen}", flush=True)
        failed |= not _tune(source, options.out / name, options)
    return int(failed)


def _tune(source: Source, out: Path, options: argparse.Namespace) -> bool:
    """Run the command and print its table; whether it succeeded."""
    command = [sys.executable, "-m", "codemtl", "finetune", source.location, "--out", str(out)]
    command += ["--time-budget", options.time_budget, "--format", "json"]
    command += ["--model", str(options.model)] if options.model else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"failed with exit code {done.returncode}")
        return False
    _print(json.loads(done.stdout))
    return True


def _print(document: dict[str, Any]) -> None:
    model, training, seconds = (document[key] for key in ("model", "training", "seconds"))
    print(
        f"model {model['name']} {model['revision']}; {training['steps']} steps, step"
        f" {training['step']} chosen; {seconds['spent']:.0f} s of {seconds['budget']:.0f} s"
    )
    for one in document["repositories"]:
        print(f"divided by {one['by']}: {', '.join(date[:10] for date in one['dates'])}")
    for name, counts in document["data"].items():
        print(f"{name}: {', '.join(f'{split} {n}' for split, n in counts.items())}")
    print("| task | measure | n | before | after |")
    print("| --- | --- | --- | --- | --- |")
    for one in document["figures"]:
        cells = [_cell(one[when], one["unit"]) for when in ("before", "after")]
        print(f"| {one['task']} | {one['measure']} | {one['n']} | {' | '.join(cells)} |")
    for note in document["notes"]:
        print(f"note: {note}")


def _cell(value: dict[str, float | None], unit: str) -> str:
    if value["value"] is None:
        return "-"
    scale, sign = (100, "%") if unit == "share" else (1, "")
    low, high = (f"{scale * (value[key] or 0):.1f}" for key in ("low", "high"))
    return f"{scale * value['value']:.1f}{sign} ({low}-{high})"


def _known() -> dict[str, str]:
    """Canonical name -> split, of the projects that the shipped weights' corpus is made of."""
    with SOURCES.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader((line for line in stream if line[0] != "#"), delimiter="\t")
        return {row["project"]: row["split"] for row in rows}


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("repositories", type=Path, nargs="+", metavar="REPO")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--time-budget", default="15m")
    parser.add_argument("--model", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
