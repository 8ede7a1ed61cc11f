"""The recipe of the training, one choice at a time, on models that two cores can train.

    python scripts/ablate.py --data SHARDS --out RUNS [--shards "no file context=FOLDER"] ...

Each variant trains as ``recipe`` does but for what its name says: the same seeds, steps and
positions a step. ``--shards`` adds variants whose data differ: prepared with one piece of file
context (``model.context_limit=1``), or with another vocabulary. All are judged in the same
validation cases: half of the examples choose checkpoints, made bugs and texts come from the other
half, and real bugs are all that there are. Repair is known to be needed: located, and repaired as
the project did. Losses are in nats a piece, less is better, and between vocabularies they do not
compare. Differences from ``recipe`` have 95% intervals (paired bootstrap over cases and seeds).
Runs that are there are kept, so it may be stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from codemtl.model.atomic import write_atomic
from codemtl.model.checkpoints import load_network
from codemtl.model.tokenizer import CodeTokenizer, special_ids
from codemtl.scripting import argument_parser, print_command, script
from codemtl.tasks import repair
from codemtl.tasks.corruption import real_bug
from codemtl.training.compare.runs import OUTCOME, RUN, start_process, threads_of_each
from codemtl.training.compare.statistics import Outcomes, paired
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.shards import Shards

SIZE = (
    "model.width=128", "model.layers=4", "model.heads=4", "model.hidden=384",
    "accumulation=2", "micro_tokens=4096", "precision=auto", "warmup=30", "learning_rate=3e-3",
    "evaluate_batches=12", "validation_fraction=0.5", "diagnose_every=100000", "log_every=20",
    "tasks.repair.share=0.8", "tasks.summarize.share=0.1", "tasks.generate.share=0.1",
    "tasks.summarize.weight=0.5", "tasks.generate.weight=0.5",
    "tasks.repair.terms={token=4.0, edit=1.0, site=1.0, bug=0.5}",
)  # fmt: skip
VARIANTS: dict[str, tuple[str, ...]] = {
    "recipe": (),
    "objective: many bugs a function all along": ("tasks.repair.stages={dense=1}",),
    "objective: one bug a function from the start": ("tasks.repair.stages={single=1}",),
    "objective: many bugs for a third": ("tasks.repair.stages={dense=0.33, single=0.67}",),
    "real fixes in the last sixth": ("tasks.repair.stages={dense=0.5, single=0.33, real=0.17}",),
    "real fixes in the last third": ("tasks.repair.stages={dense=0.4, single=0.27, real=0.33}",),
    "without the text tasks": ("tasks.summarize.share=0", "tasks.generate.share=0"),
    "without summaries": ("tasks.summarize.share=0",),
    "without masked code": ("tasks.generate.share=0",),
    "a third of the mixture is text": (
        "tasks.repair.share=0.67", "tasks.summarize.share=0.16", "tasks.generate.share=0.17",
    ),
    "decoders copy nothing": ("model.copying=false",),
    "runs are not copied the more readily": ("model.copy_runs=false",),
    "texts read the function alone": ("model.siblings=false",),
    "deep and narrow": ("model.layers=8", "model.width=96", "model.hidden=256"),
    "flat and wide": ("model.layers=2", "model.width=176", "model.hidden=576"),
    "half the learning rate": ("learning_rate=1.5e-3",),
    "twice the learning rate": ("learning_rate=6e-3",),
}  # fmt: skip
MEASURES = {
    "made bugs: repaired": ("repair", "joint"),
    "real bugs: repaired": ("real", "joint"),
    "real bugs: located": ("real", "located"),
    "summaries: loss": ("summarize", "loss"),
    "masked code: loss": ("generate", "loss"),
}


def main() -> None:
    options = _arguments()
    folders = {name: options.data for name in VARIANTS}
    for text in options.shards:
        name, _, folder = text.partition("=")
        folders[name] = Path(folder)
    asked = [
        name for name in folders
        if not options.only or any(part in name for part in options.only.split(","))
    ]  # fmt: skip
    stop = threading.Event()
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = {
            name: [
                pool.submit(_run, name, folders[name], seed, options, stop)
                for seed in range(options.seeds)
            ]
            for name in asked
        }
        try:
            rows = {name: [one.result() for one in part] for name, part in runs.items()}
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = {name: [row for row in part if row] for name, part in rows.items()}
    print_command()
    for line in table(found, options.seeds):
        print(line)


def _run(
    name: str, data: Path, seed: int, options: argparse.Namespace, stop: threading.Event
) -> dict[str, Any]:
    """The outcome of one run, which is made if it is not there; {} if it is only asked for."""
    words = "".join(c if c.isalnum() else "-" for c in name)
    folder = options.out / f"{words}-{seed}"
    done = folder / "judged.json"
    if not done.is_file() and options.show:
        return {}
    if not done.is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        order = {
            "settings": settings(name, seed, options.steps, options.set).to_dict(), "source": "",
            "cases": options.cases, "split": "validation", "data": str(data.absolute()),
            "threads": threads_of_each(options.jobs),
        }  # fmt: skip
        write_atomic(folder / RUN, json.dumps(order).encode())
        start_process(folder, stop)
        outcome = json.loads((folder / OUTCOME).read_text("utf-8"))
        outcome["outcomes"]["real"] = real_bugs(folder, data)
        write_atomic(done, json.dumps(outcome).encode())
    judged: dict[str, Any] = json.loads(done.read_text("utf-8"))
    return judged


def settings(name: str, seed: int, steps: int, changes: list[str]) -> TrainingConfig:
    """The configuration of a variant."""
    last = (f"steps={steps}", f"seed={seed}", f"evaluate_every={-(-steps // 4)}")
    keep = f"checkpoint_every={-(-steps // 4)}"
    return load_config(
        None, "tiny", [*SIZE, *last, keep, *VARIANTS.get(name, ()), *changes]
    )  # fmt: skip


@torch.no_grad()
def real_bugs(folder: Path, data: Path) -> dict[str, list[list[float]]]:
    """What a model does of the real bugs of validation projects, each by itself."""
    network, _ = load_network(folder)
    network.eval()
    tokenizer = CodeTokenizer.load(data)
    specials = special_ids(tokenizer)
    shards = Shards(data, "validation")
    columns: dict[str, list[list[float]]] = {"joint": [[], []], "located": [[], []]}
    for index in shards.buggy.nonzero()[0].tolist():
        batch = repair.collate([real_bug(shards[index])], specials, dense=False)
        arrays = {key: torch.from_numpy(value) for key, value in batch.arrays.items()}
        sums = network("repair", arrays)
        for measure, key in (("joint", "joint_correct"), ("located", "site_correct")):
            columns[measure][0].append(float(sums[key]))
            columns[measure][1].append(1.0)
    return columns


def table(found: dict[str, list[dict[str, Any]]], seeds: int) -> Iterator[str]:
    """Markdown: each variant's measures, and its gains over the first one's."""
    yield "| variant | parameters, tokens/s | " + " | ".join(MEASURES) + " |"
    yield "| --- " * (len(MEASURES) + 2) + "|"
    first = next(iter(found.values()))
    for name, rows in found.items():
        if len(rows) < seeds:
            continue
        speeds = [row["tokens_per_second"] or 0.0 for row in rows]
        cells = [name, f"{rows[0]['parameters'] / 1e6:.2f} M, {sum(speeds) / len(speeds):,.0f}"]
        for task, measure in MEASURES.values():
            cells.append(_cell(rows, first, task, measure))
        yield "| " + " | ".join(cells) + " |"


def _cell(rows: list[dict[str, Any]], first: list[dict[str, Any]], task: str, measure: str) -> str:
    if any(task not in row["outcomes"] for row in rows):
        return ""
    ours, base = (
        Outcomes.of([row["outcomes"][task][measure] for row in part]) for part in (rows, first)
    )
    if not ours.hits.size:
        return "no cases"
    shown = f"{ours.value():.3f}" if measure == "loss" else f"{ours.value():.1%}"
    if rows is first or ours.hits.shape != base.hits.shape:
        return shown
    gain = paired(ours, base)
    if measure == "loss":
        return f"{shown} ({gain.value:+.3f}: {gain.low:+.3f} to {gain.high:+.3f})"
    return f"{shown} ({100 * gain.value:+.1f}: {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of prepared shards")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--shards", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--only", metavar="PART,...", help="variants whose names hold one of these")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--cases", type=int, default=1000, help="of each task, at most")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; they share the cores")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--show", action="store_true", help="only the table of what is there")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}; at least one run is made at once")
    return options


if __name__ == "__main__":
    script(main)
