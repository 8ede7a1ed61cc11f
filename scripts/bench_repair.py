"""How fast files are looked at, by the same model in one process: torch, and ONNX in fp32 and int8.

    python scripts/bench_repair.py FILE... [--model DIR] [--threads 1] [--rounds 3]

In turn, processor seconds, best of the rounds; imports and loading are not counted. Findings of any
confidence are compared, those of int8 with those of fp32: how many are the same, and by how much
their confidences differ at most.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from codemtl import inference
from codemtl.inference import onnx_runtime, torch_runtime
from codemtl.inference.predictor import Predictor
from codemtl.inference.repair import RepairOptions, repair_source
from codemtl.model.config import INT8_VARIABLE
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import Finding


def main() -> None:
    options = _arguments()
    folder = inference.check_model_folder(options.model)
    whole = onnx_runtime.load(folder, options.threads)
    os.environ[INT8_VARIABLE] = "0"
    predictors: dict[str, Predictor] = {
        "torch": torch_runtime.load(folder, options.threads),
        "fp32": onnx_runtime.load(folder, options.threads),
        "int8": whole,
    }
    print_command()
    print(f"model: {whole.name} {whole.revision}; {whole.device}; threads: {options.threads}\n")
    print(
        "| file | lines | torch fp32, s | ONNX fp32, s | ONNX int8, s | torch / int8 "
        "| same findings | confidences differ by |"
    )
    print("| --- " * 8 + "|")
    for path in options.files:
        source = SourceFile.read(path)
        best = dict.fromkeys(predictors, float("inf"))
        found: dict[str, list[Finding]] = {}
        for _ in range(options.rounds):
            for name, predictor in predictors.items():
                seconds, found[name] = _timed(source, predictor)
                best[name] = min(best[name], seconds)
        ours, theirs = (_by_place(found[name]) for name in ("int8", "fp32"))
        both = ours.keys() & theirs.keys()
        apart = max((abs(ours[key] - theirs[key]) for key in both), default=0.0)
        seconds = " | ".join(f"{one:.2f}" for one in best.values())
        print(
            f"| {path.name} | {len(source.data.splitlines())} | {seconds} | "
            f"{best['torch'] / best['int8']:.2f} | {len(both)} of {len(theirs)} | {apart:.4f} |"
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
