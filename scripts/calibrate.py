"""Fit a model's calibration on the validation split and store it in its config.json.

    python scripts/calibrate.py --corpus CORPUS --model DIR [--suite real-bugs [--one-edit]]
        [--repositories FOLDER]

See codemtl/evaluation/calibration.py for what is fitted. How well it fits, `codemtl evaluate` says
afterwards: expected calibration error, reliability, and what the default threshold shows.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from codemtl.evaluation.calibration import FEATURES, fit, recalibrated
from codemtl.evaluation.cases import RepairCases, repair_cases
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import list_name, read_list
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import PRIOR
from codemtl.evaluation.scoring import score_cases, scorer_of
from codemtl.inference import Calibration, load_predictor
from codemtl.model.atomic import write_atomic
from codemtl.model.folder import CONFIG, read_config
from codemtl.scripting import argument_parser, print_command, script

SPLIT = "validation"
LISTS = Path(__file__).parent.parent / "data" / "benchmarks"


def main() -> None:
    options = _arguments()
    values = read_config(options.model)
    frozen = read_list(options.lists, list_name(options.suite, SPLIT))
    corpus = Corpus(options.corpus, SPLIT)
    cases = repair_cases(corpus, frozen, options.limit, one_edit=options.one_edit)
    known = options.repositories and Repositories.at(options.repositories)
    load = partial(load_predictor, options.model, 1 if options.jobs > 1 else None)
    make = scorer_of(load, None, known)
    scores = score_cases([*cases.bugs, *cases.clean], make, options.jobs)
    bugs = [row[0] for row in scores[: len(cases.bugs)]]
    clean = [one for row in scores[len(cases.bugs) :] for one in row]
    if not any(guess.verdict.right for one in bugs for guess in one.model):
        sys.exit("no edit that the model proposes is right: there is nothing to fit confidences to")
    fitted = fit(bugs, clean)
    print_command()
    print(f"model: {values.get('name', 'codemtl')} {str(values.get('sha256'))[:12]}")
    print(f"cases: {frozen.name}, SHA-256 {frozen.sha256}, {cases.unresolved} unresolved")
    print(f"bugs: {len(bugs)}; clean functions: {len(clean)}; prior: {PRIOR}")
    print("weights: " + ", ".join(f"{n} {getattr(fitted, n)}" for n in ("bias", *FEATURES, "age")))
    for name, found in (("clean functions", clean), ("functions with a bug", bugs)):
        best = [one.shown for one in recalibrated(found, fitted)]
        shown = sum(one is not None and one.score >= fitted.threshold for one in best)
        share = shown / len(found)
        print(f"threshold {fitted.threshold}: something is shown in {share:.2%} of {name}")
    if fitted.slope <= 0:
        sys.exit("the bug logit does not tell bugs from clean code: nothing is written")
    if not options.dry_run:
        store(options.model, fitted, cases)


def store(folder: Path, fitted: Calibration, cases: RepairCases) -> None:
    """Put the calibration into config.json, and on what it was fitted."""
    values = read_config(folder)
    values["calibration"] = asdict(fitted)
    values["calibrated_on"] = {
        "list": cases.frozen.name, "sha256": cases.frozen.sha256, "bugs": len(cases.bugs),
        "clean": cases.clean_functions, "prior": PRIOR,
    }  # fmt: skip
    write_atomic(folder / CONFIG, (json.dumps(values, indent=2) + "\n").encode())
    print(f"written to {folder / CONFIG}")


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--suite", choices=("synthetic", "real-bugs"), default="synthetic")
    parser.add_argument("--one-edit", action="store_true", help="of real bugs, those of one edit")
    parser.add_argument("--repositories", type=Path, help="where the corpus was mined")
    parser.add_argument("--lists", type=Path, default=LISTS, help="folder of the frozen lists")
    parser.add_argument("--limit", type=int, help="bugs at most; five clean functions for each")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dry-run", action="store_true", help="do not write config.json")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
