"""From the mined corpus to prepared shards: parse, find sites, tokenise, write.

Each chunk of files becomes one shard, made by one process; a chunk that is already there is kept,
so an interrupted preparation goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codemtl.corpus.fix_parts import FixPart, fix_parts
from codemtl.corpus.fixes import REWRITE
from codemtl.corpus.processes import processes, task
from codemtl.errors import DataError
from codemtl.model.config import ModelConfig
from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import parse
from codemtl.tasks.building import build_example, mark_fix, model_context, outermost
from codemtl.tasks.decoys import draw_decoys
from codemtl.tasks.example import Example, windows
from codemtl.training.shards import SUFFIX, write_shard

CHUNK_FILES = 800
MIN_PIECES = 12
MAX_WINDOWS = 4  # of one function
CHUNK_FIXES = 4000
JOBS_OF_A_PROCESS = 20
WITHOUT_SITE = (REWRITE, "undefined-name")  # kinds of fix that the repair head does not express


@dataclass(frozen=True, slots=True)
class _Job:
    corpus: Path
    target: Path
    tokenizer: Path
    files: list[int]  # rows of the files dataset
    functions: list[list[int]]  # for each file: rows of the functions dataset
    fixes: list[int]  # rows of the fixes dataset
    limit: int
    window: int


def prepare(
    corpus: Path,
    out: Path,
    tokenizer: Path,
    config: ModelConfig,
    *,
    jobs: int = 2,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write ``out/SPLIT-NNNNN.safetensors.xz`` for every split of a mined corpus.

    Returns the number of new examples by split. Raises DataError if the corpus is not there, or a
    process is killed.
    """
    work = _jobs(corpus, out, tokenizer, config, seed)
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    try:
        with closing(_run_all(work, jobs)) as made:
            for done, (split, count) in enumerate(made, 1):
                counts[split] += count
                if progress is not None:
                    progress(done, len(work))
    except BrokenProcessPool as error:
        raise DataError(
            f"a process was killed while it prepared {corpus}, perhaps for want of memory; the same"
            " command goes on"
        ) from error
    return dict(counts)


def _run_all(work: Sequence[_Job], jobs: int) -> Generator[tuple[str, int], None, None]:
    """What `_run` makes of each, as it is done; new processes now and then, as old ones grow."""
    together = JOBS_OF_A_PROCESS * jobs
    for low in range(0, len(work), together):
        part = work[low : low + together]
        with processes(min(jobs, len(part))) as pool:
            for made in as_completed([pool.submit(task, _run, job) for job in part]):
                yield made.result()


def _jobs(corpus: Path, out: Path, tokenizer: Path, config: ModelConfig, seed: int) -> list[_Job]:
    """The chunks of each split, in an order that the seed decides."""
    from datasets import load_from_disk

    try:
        files = load_from_disk(str(corpus / "files"))
        files = files.select_columns(["file_id", "split", "project", "path"])
        table = load_from_disk(str(corpus / "functions")).select_columns(["file_id"])
    except FileNotFoundError as error:
        raise DataError(f"{corpus} is not a mined corpus: {error}") from error
    by_file: dict[Any, list[int]] = defaultdict(list)
    for row, file_id in enumerate(table["file_id"]):
        by_file[file_id].append(row)
    by_split: dict[str, list[tuple[int, list[int]]]] = defaultdict(list)
    splits = _with_validation(files["split"], files["project"], files["path"])
    for row, (file_id, split) in enumerate(zip(files["file_id"], splits, strict=True)):
        if file_id in by_file:
            by_split[split].append((row, by_file[file_id]))
    work: list[_Job] = []
    for split, members in sorted(by_split.items()):
        order = np.random.default_rng(seed).permutation(len(members))
        for number, low in enumerate(range(0, len(order), CHUNK_FILES)):
            chosen = [members[index] for index in order[low : low + CHUNK_FILES]]
            target = out / f"{split}-{number:05d}{SUFFIX}"
            work.append(_Job(
                corpus, target, tokenizer, [row for row, _ in chosen],
                [rows for _, rows in chosen], [], config.context_limit, config.window,
            ))  # fmt: skip
    if (corpus / "fixes").is_dir():  # the corpus has histories
        fixes = load_from_disk(str(corpus / "fixes"))
        fixes = fixes.select_columns(["kind", "split", "project", "path"])
        if splits == list(files["split"]):
            placed = list(fixes["split"])
        else:
            places = zip(files["project"], files["path"], splits, strict=True)
            placed = _split_as(places, fixes["project"], fixes["path"])
        rows: dict[str, list[int]] = defaultdict(list)
        for row, (kind, split) in enumerate(zip(fixes["kind"], placed, strict=True)):
            if kind not in WITHOUT_SITE or (kind == REWRITE and split == "train"):
                rows[split].append(row)
        work += _fix_jobs(corpus, out, tokenizer, config, seed, rows)
    if not work:
        raise DataError(f"{corpus} holds no function; mine more source")
    if len(files) == 1 and not any(_split(job) == "train" for job in work):
        raise DataError(
            f"{corpus} holds functions of one file alone, which is too little: at least two files "
            "are needed, one to learn from and one to validate with; mine more source"
        )
    return work


def _fix_jobs(
    corpus: Path, out: Path, tokenizer: Path, config: ModelConfig, seed: int,
    by_split: Mapping[str, Sequence[int]],
) -> list[_Job]:  # fmt: skip
    """The real bugs that one edit repairs: rows of the fixes dataset by split.

    Those to train on are joined by the parts of fixes that change more.
    """
    work = []
    for split, rows in sorted(by_split.items()):
        order = np.random.default_rng(seed).permutation(rows)
        for number, low in enumerate(range(0, len(order), CHUNK_FIXES)):
            target = out / f"{split}-fixes-{number:05d}{SUFFIX}"
            chosen = order[low : low + CHUNK_FIXES].tolist()
            work.append(_Job(
                corpus, target, tokenizer, [], [], chosen, config.context_limit, config.window
            ))  # fmt: skip
    return work


def _with_validation(
    splits: Sequence[str], projects: Sequence[str], paths: Sequence[str]
) -> list[str]:
    """The splits of files; a corpus too small to have both splits by itself is given them.

    The smallest project that holds a twentieth of the files or more is held out; of a single
    project about a tenth of the files, chosen by their paths.
    """
    if "train" not in splits:  # one or two projects that the hash put elsewhere
        splits = ["train"] * len(splits)
    if "validation" in splits:
        return list(splits)
    sizes = Counter(p for p, split in zip(projects, splits, strict=True) if split == "train")
    if len(sizes) > 1:
        enough = [p for p in sizes if sizes[p] * 20 >= sizes.total()]
        chosen = min(enough or sizes, key=lambda project: (sizes[project], project))
        held = [project == chosen for project in projects]
    else:
        ranks = sorted(range(len(paths)), key=lambda row: _path_hash(paths[row]))
        first = set(ranks[: max(1, len(paths) // 10)])
        held = [row in first for row in range(len(paths))]
    return [
        "validation" if split == "train" and out else split
        for split, out in zip(splits, held, strict=True)
    ]


def _split_as(
    places: Iterable[tuple[str, str, str]], projects: Sequence[str], paths: Sequence[str]
) -> list[str]:
    """The split of each fix, given project, path and split of every file: that of its file.

    Where the file is gone since, that of the project, or train if its files are divided.
    """
    by_file, by_project = {}, defaultdict(set)
    for project, path, split in places:
        by_file[project, path] = split
        by_project[project].add(split)
    found = []
    for project, path in zip(projects, paths, strict=True):
        whole = by_project[project]
        rest = next(iter(whole)) if len(whole) == 1 else "train"
        found.append(by_file.get((project, path), rest))
    return found


def _path_hash(path: str) -> bytes:
    return hashlib.blake2b(path.encode(), digest_size=8).digest()


def _split(job: _Job) -> str:
    return job.target.name.partition("-")[0]


def _run(job: _Job) -> tuple[str, int]:
    """Make one shard; returns its split and number of examples."""
    split = _split(job)
    if job.target.exists():
        return split, 0
    examples = list(_fix_examples(job) if job.fixes else _examples(job))
    if examples:
        write_shard(job.target, examples)
    return split, len(examples)


def _examples(job: _Job) -> Iterator[Example]:
    from datasets import load_from_disk

    tokenizer = CodeTokenizer.load(job.tokenizer)
    layout = piece_layout(tokenizer)
    files = load_from_disk(str(job.corpus / "files"))
    table = load_from_disk(str(job.corpus / "functions"))
    for number, (row, members) in enumerate(zip(job.files, job.functions, strict=True)):
        tree = parse(files[row]["text"].encode())
        scopes = analyze(tree)
        wanted = table[members]
        summaries = {
            (start, end): summary
            for start, end, summary in zip(
                wanted["start"], wanted["end"], wanted["summary"], strict=True
            )
        }
        for definition in functions(tree):
            summary = summaries.get((definition.node.start_byte, definition.node.end_byte))
            if summary is None:
                continue
            node = definition.node
            example = build_example(
                tree, node, enumerate_sites(tree, node, scopes), model_context(tree, definition),
                tokenizer, summary=summary, context_limit=job.limit,
            )  # fmt: skip
            if len(example.pieces) >= MIN_PIECES:
                example.place = np.array([number, outermost(definition).start])
                rng = np.random.default_rng((row, node.start_byte))
                example.decoys = draw_decoys(example, scopes, rng)
                yield from windows(example, job.window, layout)[:MAX_WINDOWS]


def _fix_examples(job: _Job) -> Iterator[Example]:
    """Functions with a real bug, each in the file as it was before the fix."""
    from datasets import load_from_disk

    tokenizer = CodeTokenizer.load(job.tokenizer)
    layout = piece_layout(tokenizer)
    for row in load_from_disk(str(job.corpus / "fixes")).select(job.fixes):
        for bug in _bugs(row):
            tree = parse(bug.file.encode())
            scopes = analyze(tree)
            for definition in functions(tree):
                node = definition.node
                if (node.start_byte, node.end_byte) != (bug.start, bug.end):
                    continue
                example = build_example(
                    tree, node, enumerate_sites(tree, node, scopes),
                    model_context(tree, definition), tokenizer, context_limit=job.limit,
                )  # fmt: skip
                example.decoys = draw_decoys(example, scopes, np.random.default_rng(row["fix_id"]))
                if mark_fix(example, tree, bug.edit):
                    parts = windows(example, job.window, layout)
                    yield from (part for part in parts if len(part.fix))


def _bugs(row: Mapping[str, Any]) -> Iterable[FixPart]:
    """The bugs that one edit repairs in a row of the fixes dataset."""
    if row["kind"] == REWRITE:
        return fix_parts(row["file"], row["start"], row["before"], row["after"])
    edit = Edit(row["edit_start"], row["edit_end"], row["edit_replacement"])
    return [FixPart(row["file"], row["start"], row["end"], row["kind"], edit)]
