"""Fit what chooses among the lines that a model proposes: WEIGHTS of inference/line_choice.py.

    python scripts/fit_lines.py --corpus CORPUS --repositories MINED [--model DIR] [--limit N]
        [--choices FILE] [--leave-out] [--jobs N]

Lines of functions of training projects are masked, as many of each project at most as PER_PROJECT
says, and the weights fitted on what the model proposes for them. What that is goes to FILE, if one
is named and not there yet, and is read from it else. See codemtl/evaluation/line_fit.py.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from codemtl.evaluation.cases import TextCase, text_cases
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import FrozenList
from codemtl.evaluation.line_fit import Choice, cross_validated, fit, proposals_batch
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import percent
from codemtl.evaluation.sampling import Sizes, masked_lines
from codemtl.evaluation.workers import run
from codemtl.inference import SHIPPED_MODEL
from codemtl.inference.torch_runtime import load
from codemtl.scripting import argument_parser, print_command, script
from codemtl.tasks.metrics import edit_similarity, same_code, share

PER_PROJECT = 40
DRAWN = 3  # times as many as are wanted
BATCH = 16
SEED = 11


def main() -> None:
    options = _arguments()
    print_command()
    if options.choices and options.choices.exists():
        rows = options.choices.read_text().splitlines()
        choices = [Choice(**json.loads(row)) for row in rows]
    else:
        choices = proposed(options)
    if options.choices and not options.choices.exists():
        options.choices.write_text("".join(json.dumps(one._asdict()) + "\n" for one in choices))
    print(f"lines: {len(choices)} of {len({one.project for one in choices})} projects")
    right = share(np.array([float(max(one.right, default=0)) for one in choices]))
    print(f"the right one is proposed: {percent(right)}")
    _show("chosen, weights of other projects", choices, cross_validated(choices))
    weights = fit(choices)
    for name in weights.names if options.leave_out else ():
        _show(f"without {name!r}", choices, cross_validated(choices, name))
    print("WEIGHTS = {")
    for name, value in zip(weights.names, weights.values, strict=True):
        print(f'    "{name}": {value:.3f},')
    print("}")


def proposed(options: argparse.Namespace) -> list[Choice]:
    """What the model proposes for lines of training projects."""
    corpus, count, kept = Corpus(options.corpus, "train"), Counter[str](), []
    for one in masked_lines(corpus, Sizes(texts=DRAWN * options.limit), SEED):
        count[one.project] += 1
        if count[one.project] <= PER_PROJECT and len(kept) < options.limit:
            kept.append(one)
    frozen = FrozenList("lines of training projects", "", kept)
    cases: list[TextCase] = text_cases(corpus, frozen).cases
    batches = [cases[at : at + BATCH] for at in range(0, len(cases), BATCH)]
    write = partial(proposals_batch, repositories=Repositories.at(options.repositories))
    make = partial(load, options.model, 1)
    done = run(write, batches, make, options.jobs, "writing lines")
    return [one for batch in done for one in batch]


def _show(label: str, choices: Sequence[Choice], texts: Sequence[str]) -> None:
    pairs = [(text, one.reference) for text, one in zip(texts, choices, strict=True)]
    exact = share(np.array([float(same_code(*pair)) for pair in pairs]))
    alike = share(np.array([edit_similarity(*pair) for pair in pairs]))
    print(f"{label}: exact match {percent(exact)}, edit similarity {percent(alike)}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--repositories", type=Path, required=True, help="where it was mined")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--limit", type=int, default=2000, help="lines at most")
    parser.add_argument("--choices", type=Path, help="JSON lines: kept there, read from there")
    parser.add_argument("--leave-out", action="store_true", help="each feature once, measured")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
