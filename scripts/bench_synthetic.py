"""First light's benchmark: single synthetic bugs in unseen projects, against three rivals.

    python scripts/bench_synthetic.py --corpus CORPUS --model DIR --split test --json result.json

``--corpus`` is a folder that ``codemtl mine`` wrote. Use the default split, validation, while
anything is still being decided. The cases are frozen in a file (``--cases``) at the first run.

A function's findings are judged by the best one alone: *located* if it overlaps the bug's span,
*joint* if it also restores the function up to whitespace. The false-positive rate is the share of
clean functions whose best finding lies above the threshold. Systems, all in this run:

- model: the repair head, ranked by calibrated confidence;
- product: the same and undefined names, ranked as ``codemtl repair`` does (whose last step, to drop
  edits that do not compile, is left out: the enumerator makes none);
- scope analysis: undefined names alone;
- n-gram: see ngram.py; the same candidate edits;
- ruff: see ruff_rival.py; it proposes no edit, so it has no joint figure.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cases import Cases, Corpus, load_cases
from measures import NOTHING, Array, Interval, Verdict, recall, recall_at, share, threshold
from ngram import NgramModel
from ruff_rival import COMMAND, TIERS, RuffScores, run_ruff
from scoring import Result, confidence, score_cases

from codemtl.inference import SHIPPED_MODEL, Calibration, load_predictor
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.tree import parse

RATES = (0.01, 0.05, 0.165)
KIND_RATE = 0.05
ORDER = 4
NO = (NOTHING, Verdict())


@dataclass(frozen=True, slots=True)
class System:
    """The score of the best finding in each clean function and each mutated one."""

    name: str
    clean: Array
    bugs: Array
    located: Array
    joint: Array


def main() -> None:
    options = _arguments()
    started = time.perf_counter()
    predictor = load_predictor(options.model)
    corpus = Corpus(options.corpus, options.split)
    kind = "uniform-" * options.uniform
    file = options.cases or options.corpus / (
        f"cases-{kind}{options.split}-{options.bugs}-{options.clean}-{options.seed}.jsonl"
    )
    cases = load_cases(corpus, file, options.bugs, options.clean, options.seed, options.uniform)
    with tempfile.TemporaryDirectory() as folder:
        rival = Path(folder) / "ngram.npz"
        train_ngram(corpus, options.ngram_functions, options.seed).save(rival)
        bugs, clean = score_cases(cases, corpus, options.model, rival, options.jobs)
    ruff = run_ruff(cases, corpus)
    systems = make_systems(predictor.calibration, bugs, clean, ruff)
    report: dict[str, Any] = {
        "command": shlex.join(["python", *sys.argv]),
        "seed": options.seed,
        "model": f"{predictor.name} {predictor.revision}",
        "cases": {"file": file.name, "sha256": cases.checksum, "split": options.split},
        "bugs": len(cases.bugs),
        "bug_projects": len({one.project for one in cases.bugs}),
        "clean": cases.clean_functions,
        "clean_files": len(cases.clean),
        "clean_projects": len({one.project for one in cases.clean}),
        "ngram": {"functions": options.ngram_functions, "order": ORDER},
        "ruff": ruff_points(ruff),
        "systems": {one.name: measure(one, cases) for one in systems},
        "kinds": {one.name: by_kind(one, cases) for one in systems},
        "seconds": round(time.perf_counter() - started, 1),
    }
    print("\n".join(lines(report)))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def train_ngram(corpus: Corpus, count: int, seed: int) -> NgramModel:
    """From random functions of the training split."""
    table = corpus.functions
    rows = np.flatnonzero(np.array(table["split"]) == "train")
    rows = np.random.default_rng(seed).permutation(rows)[:count]

    def texts() -> Iterator[list[str]]:
        for row in np.sort(rows).tolist():
            tree = parse(table[row]["source"].encode())
            yield [token.text for token in lexical_tokens(tree, tree.root)]

    return NgramModel.train(texts(), ORDER)


def make_systems(
    calibration: Calibration, bugs: list[Result], clean: list[list[Result]], ruff: RuffScores
) -> list[System]:
    """Every system over the same cases."""
    flat = [one for file in clean for one in file]

    def model(result: Result) -> tuple[float, Verdict]:
        found = [(confidence(one, calibration), one.verdict) for one in result.windows]
        return max(found, key=lambda one: one[0], default=NO)

    def scope(result: Result) -> tuple[float, Verdict]:
        if result.undefined is None:
            return NO
        suggested, verdict = result.undefined
        chance = calibration.undefined_name if suggested else calibration.undefined_name_alone
        return chance, verdict

    def product(result: Result) -> tuple[float, Verdict]:
        return max(model(result), scope(result), key=lambda one: one[0])

    def ngram(result: Result) -> tuple[float, Verdict]:
        return result.ngram or NO

    named = {"model": model, "product": product, "scope analysis": scope, "n-gram": ngram}
    systems = []
    for name, best in named.items():
        found = [best(one) for one in bugs]
        systems.append(System(
            name,
            np.array([best(one)[0] for one in flat]),
            np.array([score for score, _ in found]),
            np.array([verdict.located for _, verdict in found]),
            np.array([verdict.right for _, verdict in found]),
        ))  # fmt: skip
    located = ruff.bugs > NOTHING
    systems.append(System("ruff", ruff.clean, ruff.bugs, located, np.zeros(len(located), bool)))
    return systems


def measure(system: System, cases: Cases) -> dict[str, Any]:
    """Recall at each false-positive rate, and without any threshold."""
    files = np.repeat(np.arange(len(cases.clean)), [len(one.starts) for one in cases.clean])
    row: dict[str, Any] = {"flagged": float((system.clean > NOTHING).mean())}
    for name, right in (("located", system.located), ("joint", system.joint)):
        row[f"{name} known"] = share(right)
        for rate in RATES:
            row[f"{name} {rate:.1%}"] = recall_at(system.clean, files, system.bugs, right, rate)
    row["thresholds"] = {f"{rate:.1%}": threshold(system.clean, rate) for rate in RATES}
    row["thresholds"] = {k: v if np.isfinite(v) else None for k, v in row["thresholds"].items()}
    return row


def by_kind(system: System, cases: Cases) -> dict[str, dict[str, float]]:
    """Recall of each kind of bug at one rate, and known to be there."""
    kinds = np.array([one.kind for one in cases.bugs])
    above = threshold(system.clean, KIND_RATE)
    rows = {}
    for kind in sorted(set(kinds.tolist())):
        here = kinds == kind
        rows[kind] = {
            "bugs": int(here.sum()),
            "joint": recall(system.bugs[here], system.joint[here], above),
            "located": recall(system.bugs[here], system.located[here], above),
            "joint known": float(system.joint[here].mean()),
        }
    return rows


def ruff_points(ruff: RuffScores) -> dict[str, Any]:
    """Operating points of ruff as it is used: everything shown, or only some rule groups."""
    rows = {}
    for tier in sorted(set(TIERS.values())):
        groups = ",".join(name for name, level in TIERS.items() if level >= tier)
        rows[groups] = {
            "located": float((ruff.bugs >= tier).mean()),
            "clean flagged": float((ruff.clean >= tier).mean()),
        }
    return {
        "version": ruff.version,
        "points": rows,
        "anything new in the function": float(ruff.anywhere.mean()),
    }


def lines(report: dict[str, Any]) -> Iterator[str]:
    """The report as text with Markdown tables."""
    yield f"command: {report['command']}"
    yield f"seed: {report['seed']}; model: {report['model']}; seconds: {report['seconds']}"
    frozen = report["cases"]
    yield f"cases: {frozen['split']} split, {frozen['file']}, SHA-256 {frozen['sha256']}"
    yield (
        f"bugs: {report['bugs']} in {report['bug_projects']} projects; clean functions: "
        f"{report['clean']} in {report['clean_files']} files of {report['clean_projects']} projects"
    )
    yield f"n-gram: order {ORDER}, {report['ngram']['functions']} functions"
    for measure_name in ("joint", "located"):
        keys = [f"{measure_name} {rate:.1%}" for rate in RATES]
        heads = [f"at {rate:.3g}% false positives" for rate in np.array(RATES) * 100]
        yield f"\n{measure_name.capitalize()} (95% interval)\n"
        yield from table(["system", *heads, "known to be there"], [
            [name, *(_cell(row[key]) for key in [*keys, f"{measure_name} known"])]
            for name, row in report["systems"].items()
            if (measure_name, name) != ("joint", "ruff")
        ])  # fmt: skip
    yield f"\nJoint at {KIND_RATE:.0%} false positives by kind (known to be there); ruff: located\n"
    kinds = report["kinds"]
    names = [name for name in kinds if name != "ruff"]
    yield from table(["kind", "bugs", *names, "ruff"], [
        [
            kind, str(kinds["model"][kind]["bugs"]),
            *("{joint:.1%} ({joint known:.1%})".format_map(kinds[name][kind]) for name in names),
            f"{kinds['ruff'][kind]['located']:.1%}",
        ]
        for kind in kinds["model"]
    ])  # fmt: skip
    ruff = report["ruff"]
    yield f"\n{' '.join(COMMAND)} ({ruff['version']}) as it is used: it has no threshold\n"
    yield from table(["rules shown", "located", "clean functions flagged"], [
        [groups, f"{row['located']:.1%}", f"{row['clean flagged']:.1%}"]
        for groups, row in ruff["points"].items()
    ])  # fmt: skip
    anywhere = ruff["anything new in the function"]
    yield f"\nruff says anything new anywhere in the mutated function: {anywhere:.1%}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _cell(value: Interval) -> str:
    return f"{value.value:.1%} ({100 * value.low:.1f}-{100 * value.high:.1f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--bugs", type=int, default=2000)
    parser.add_argument("--clean", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--uniform", action="store_true", help="bugs of any kind, also unlikely ones"
    )
    parser.add_argument("--cases", type=Path, help="the frozen list; made if it is not there")
    parser.add_argument("--ngram-functions", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
