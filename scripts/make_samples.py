"""Make data/benchmarks/samples: a few dozen cases a suite with their text, to ship and to test.

    python scripts/make_samples.py CORPUS --out data/benchmarks/samples

CORPUS is what `codemtl mine` wrote, fixes included. The cases come from small files of validation
projects; a few training functions are there for the rivals to learn from. Provenance and licences
are columns of files.jsonl and fixes.jsonl, and are listed in README.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import list_name, write_list
from codemtl.evaluation.judging import REWRITE
from codemtl.evaluation.sampling import SAMPLERS, Sizes
from codemtl.scripting import argument_parser, script

SPLIT = "validation"
FIXES, FIX_FILE = 24, 4_500  # how many, and bytes of the file at most
FILES, FILE = 58_000, (1_200, 4_500)  # bytes of text in all, and of one file
TRAINING = 12_000  # bytes of training functions
SIZES = Sizes(clean=60, made=30, uniform=20, texts=30)
COLUMNS = (
    "function_id", "file_id", "qualname", "start", "hash", "summary", "split", "source",
)  # fmt: skip
Row = dict[str, Any]


def main() -> None:
    options = _arguments()
    corpus = Corpus(options.corpus, SPLIT)
    rng = np.random.default_rng(options.seed)
    fixes = list(_fixes(corpus, rng))
    projects = {row["project"] for row in fixes}
    files = list(_files(corpus, projects, rng))
    chosen = {row["file_id"] for row in files}
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    taken: list[Row] = _rows(corpus, "functions", lambda row: row["file_id"] in chosen)
    numbers = {row["function_id"] for row in taken}
    training = list(_training(corpus, rng))
    known = {row["function_id"] for row in training}
    functions = [{**row, "source": ""} for row in taken] + training
    tables = {
        "files": files,
        "fixes": fixes,
        "functions": [{name: row[name] for name in COLUMNS} for row in functions],
        "pairs": _rows(corpus, "pairs", lambda row: row["function_id"] in known, "train"),
        "masked_lines": [
            *_rows(corpus, "masked_lines", lambda row: row["function_id"] in numbers),
            *_rows(corpus, "masked_lines", lambda row: row["function_id"] in known, "train"),
        ],
    }
    _write(options.out, tables)
    small = Corpus(options.out, SPLIT)
    for suite, sampler in SAMPLERS.items():
        frozen = write_list(
            options.out, list_name(suite, SPLIT), sampler(small, SIZES, options.seed)
        )
        print(f"{frozen.name}: {len(frozen.pointers)} lines")
    kept = [row for row in tables["masked_lines"] if row["split"] == "train"]
    _write(options.out, {"masked_lines": kept})  # the lists say where the others are
    (options.out / "README.md").write_text(_readme(fixes, files, training, corpus), "utf-8")
    print(sum(file.stat().st_size for file in options.out.iterdir()), "bytes")


def _fixes(corpus: Corpus, rng: np.random.Generator) -> Iterator[Row]:
    """Small files first of all; half of the fixes of one edit, if there are so many."""
    table = corpus.table("fixes")
    rows = [table.row(row) for row in corpus.rows("fixes")]
    rows = [rows[index] for index in rng.permutation(len(rows))]
    small = [row for row in rows if len(row["file"].encode()) <= FIX_FILE]
    single = [row for row in small if row["kind"] != REWRITE][: FIXES // 2]
    yield from single
    yield from [row for row in small if row["kind"] == REWRITE][: FIXES - len(single)]


def _files(corpus: Corpus, projects: set[str], rng: np.random.Generator) -> Iterator[Row]:
    """Files of the same projects with functions, some of them with a summary."""
    summaries: dict[int, int] = {}
    for function in corpus.functions:
        counted = summaries.get(function.file, 0)
        summaries[function.file] = counted + bool(function.summary)
    room = FILES
    for row in rng.permutation(sorted(row for row, count in summaries.items() if count)).tolist():
        one = corpus.files.row(row)
        size = len(one["text"].encode())
        if one["project"] in projects and FILE[0] <= size <= min(FILE[1], room):
            room -= size
            yield one


def _training(corpus: Corpus, rng: np.random.Generator) -> Iterator[Row]:
    """Short documented functions of the training split."""
    table = corpus.table("functions")
    room = TRAINING
    for row in rng.permutation(corpus.rows("functions", "train")).tolist():
        one = table.row(row)
        if one["summary"] and 200 <= len(one["source"]) <= min(700, room):
            room -= len(one["source"])
            yield one
        if room < 200:
            return


def _rows(
    corpus: Corpus, name: str, keep: Callable[[Row], bool], split: str | None = None
) -> list[Row]:
    table = corpus.table(name)
    key = "file_id" if name == "functions" else "function_id"
    rows = corpus.rows(name, split)
    (keys,) = table.columns([key], rows)
    found = zip(rows, keys, strict=True)
    return [table.row(row) for row, value in found if keep({key: value})]


def _write(folder: Path, tables: dict[str, list[Row]]) -> None:
    for name, rows in tables.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")


def _readme(fixes: list[Row], files: list[Row], training: list[Row], corpus: Corpus) -> str:
    """Where everything comes from."""
    licences = {(row["project"], row["licence"]) for row in [*fixes, *files]}
    names = corpus.files.columns(["project", "licence"], corpus.rows("files", "train"))
    used = {row["project"] for row in training}
    lines = [
        "# Samples", "",
        "A few dozen cases of each suite with their text, for tests and for a first look:",
        "`codemtl evaluate` without `--corpus` runs on them. Too few to compare models by.", "",
        "Made by `python scripts/make_samples.py CORPUS`: a corpus in small, with the tables of",
        "[data/README.md](../../README.md) as JSON lines and frozen lists with `SHA256SUMS`. Every",
        "row names its commit; the text is under the licence of its project:", "",
        "| project | licence |", "| --- | --- |",
        *(f"| {project} | {licence} |" for project, licence in sorted(licences)), "",
        "Training functions, from which the rivals learn (rows with `split` train):", "",
        "| project | licence |", "| --- | --- |",
        *sorted({f"| {name} | {licence} |" for name, licence in zip(*names, strict=True)
                 if name in used}), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("data/benchmarks/samples"))
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
