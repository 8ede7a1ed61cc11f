"""How fast files are looked at: products in int8 beside fp32, by the same model in one process.

    python scripts/bench_repair.py FILE... [--model DIR] [--threads 1] [--rounds 3]

In turn, processor seconds, best of the rounds; imports and loading are not counted. Findings of any
confidence are compared: how many are the same, and by how much their confidences differ at most.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from codemtl import inference
from codemtl.inference.predictor import Predictor
from codemtl.inference.repair import RepairOptions, repair_source
from codemtl.model.int8 import VARIABLE, has_int8
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import Finding


def main() -> None:
    options = _arguments()
    if not has_int8():
        sys.exit(f"this CPU has no fast products in int8, or {VARIABLE} is 0")
    whole = inference.load_predictor(options.model, options.threads)
    os.environ[VARIABLE] = "0"
    exact = inference.load_predictor(options.model, options.threads)
    print_command()
    print(f"model: {whole.name} {whole.revision}; threads: {options.threads}\n")
    print("| file | lines | fp32, s | int8, s | ratio | same findings | confidences differ by |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for path in options.files:
        source = SourceFile.read(path)
        best = {"fp32": float("inf"), "int8": float("inf")}
        found: dict[str, list[Finding]] = {}
        for _ in range(options.rounds):
            for name, predictor in (("fp32", exact), ("int8", whole)):
                seconds, found[name] = _timed(source, predictor)
                best[name] = min(best[name], seconds)
        ours, theirs = (_by_place(found[name]) for name in ("int8", "fp32"))
        both = ours.keys() & theirs.keys()
        apart = max((abs(ours[key] - theirs[key]) for key in both), default=0.0)
        print(
            f"| {path.name} | {len(source.data.splitlines())} | {best['fp32']:.2f} | "
            f"{best['int8']:.2f} | {best['fp32'] / best['int8']:.2f} | "
            f"{len(both)} of {len(theirs)} | {apart:.4f} |"
        )


def _timed(source: SourceFile, predictor: Predictor) -> tuple[float, list[Finding]]:
    since = time.process_time()
    result = repair_source(source, predictor, RepairOptions(min_confidence=0.0))
    return time.process_time() - since, result.findings


def _by_place(findings: list[Finding]) -> dict[tuple[int, int, str], float]:
    return {(one.start, one.end, one.replacement): one.confidence for one in findings}


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
