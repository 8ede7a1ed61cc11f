"""Fit how often each kind of edit is the repair: the weights in ``codemtl/search/priors.py``.

    python scripts/fit_search_priors.py FOLDER --data FOLDER/humanevalfix.jsonl
        [--made data/made_bugs.jsonl] [--projects NAME,NAME...] [--each 80] [--jobs 2]

FOLDER holds clones of projects of the training part of the corpus (as ``FOLDER/owner+name`` or as
any ``git clone`` names them). Of each the newest fixes are taken that come with a test, change one
function of at most 60 lines, and add and remove at most five lines of code; beside them stand the
even tasks of HumanEvalFix. The search's candidates for the function before the repair are listed,
each place alike, as no test is run. Where the repair is among them, its probability is

    p = Σ w(rule) · a(rule) / Σ w(rule) · n(rule)

with a the share of the repair among the rule's proposals at its node, and n the nodes where the
rule proposes anything. The weights w maximize the product of these (even tasks count twice), held
near those that stand there now by a ridge on their logarithms. Printed: how many repairs are among
the candidates, the mean logarithm of p with the weights as they are and, cross-validated by
project, as fitted, and the weights.
"""

from __future__ import annotations

import argparse
import ast
import csv
import difflib
import json
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from codemtl.corpus import git, history
from codemtl.corpus.fixes import find_fix
from codemtl.corpus.reserved import is_reserved
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.trees import Source, find_sources
from codemtl.errors import EditError
from codemtl.scripting import script
from codemtl.search.candidates import groups
from codemtl.search.priors import RULES, SITE_RULES
from codemtl.search.view import FunctionView
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

SOURCES = Path(__file__).resolve().parent.parent / "data" / "sources.tsv"
MAX_LINES = 5  # of code that a repair adds, and that it removes
MAX_FUNCTION = 60  # lines
MAX_BYTES = 400_000  # of a file
SECONDS = 40  # for the candidates of one function
RIDGE = 0.3
EVEN_TASKS = 2.0  # what one of HumanEvalFix counts
FOLDS = 5
SETS = ("fixes", "even tasks", "made bugs")
MADE = "made: "  # before the names of made bugs
RANKS = (10, 30, 100, 300, 1000, 3000)
NAMES = [*(f"site {name}" for name in SITE_RULES), *RULES]
Floats = NDArray[np.float64]


class Repair(NamedTuple):
    """A file before and after it."""

    project: str
    before: str
    after: str


class Listed(NamedTuple):
    """The candidates of one repair's function: in the order of NAMES, by rule."""

    project: str
    shares: Floats  # a
    nodes: Floats  # n
    rank: int | None  # of the repair among the candidates, from 0; None if it is none of them


def main() -> None:
    options = _arguments()
    print(f"command: {shlex.join(['python', *sys.argv])}")
    sources = _sources(options.folder, options.projects)
    with ProcessPoolExecutor(options.jobs) as pool:
        found = pool.map(partial(repairs, count=options.each), sources)
        real = [one for some in found for one in some]
        tasks = even_tasks(options.data) if options.data else []
        made = made_bugs(options.made) if options.made else []
        every = [*real, *tasks, *made]
        listed = [one for one in pool.map(listed_or_none, every, chunksize=4) if one]
    print(f"fixes: {len(real)} of {len(sources)} projects; even tasks: {len(tasks)}", end="")
    print(f"; made bugs: {len(made)}")
    for name in SETS:
        rows = [one for one in listed if set_of(one.project) == name]
        ranks = [one.rank for one in rows if one.rank is not None]
        within = ", ".join(f"{sum(rank < most for rank in ranks)} among {most}" for most in RANKS)
        print(f"{name}: {len(ranks)} of {len(rows)} functions' repairs are candidates: {within}")
    known = [one for one in listed if one.rank is not None]
    present = np.log([rule.weight for rule in (*SITE_RULES.values(), *RULES.values())])
    validated = _cross_validated(known, present)
    for name in SETS:
        which = [set_of(one.project) == name for one in known]
        if not any(which):
            continue
        now = _log_probabilities(known, present)[which]
        print(
            f"{name}: mean ln p {now.mean():.3f}, of other projects {validated[which].mean():.3f}"
        )
    for name, value in zip(NAMES, np.exp(_fit(known, present)), strict=True):
        print(f"{name}: {value:.2g}")


# --- repairs


def _sources(folder: Path, projects: str) -> list[Source]:
    with SOURCES.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        splits = {row["project"]: row["split"] for row in rows}
    wanted = {canonical_name(name) for name in projects.split(",")} if projects else None
    return [
        source
        for source in find_sources(folder)
        if source.kind == "git"
        and splits.get(canonical_name(source.project)) == "train"
        and not is_reserved(source.project)
        and (wanted is None or canonical_name(source.project) in wanted)
    ]


def repairs(source: Source, count: int) -> list[Repair]:
    """The newest small fixes of a project that come with a test."""
    found: list[Repair] = []
    walked, dropped = Counter[str](), Counter[str]()
    with git.reader(source.location) as read:
        for one in history.candidates(source.location, source.commit, walked, dropped):
            old, new = (read(one.before), read(one.after)) if one.tests else (None, None)
            if len(found) == count or old is None or new is None or len(old) > MAX_BYTES:
                continue
            if isinstance(find_fix(old, new, source.project, one.path), str):
                continue
            try:
                repair = Repair(source.project, old.decode(), new.decode())
            except UnicodeDecodeError:
                continue
            if max(_lines(repair)) <= MAX_LINES and "\r" not in repair.before:
                found.append(repair)
    return found


def even_tasks(path: Path) -> list[Repair]:
    """The even tasks of HumanEvalFix."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Repair("", row["prompt"] + row["buggy_solution"], row["prompt"] + row["canonical_solution"])
        for row in rows[::2]
    ]


def made_bugs(path: Path) -> list[Repair]:
    """Programs with a bug that somebody made, each a project of its own."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Repair(f"{MADE}{row['name']}", row["before"], row["after"]) for row in rows]


def set_of(project: str) -> str:
    """To which of SETS a repair belongs."""
    return SETS[2] if project.startswith(MADE) else SETS[0] if project else SETS[1]


def _lines(repair: Repair) -> tuple[int, int]:
    """Lines of code added and removed; comments, decorators and blank lines do not count."""
    changed = list(
        difflib.unified_diff(repair.before.splitlines(), repair.after.splitlines(), n=0)
    )[2:]
    code = [line[0] for line in changed if line[1:].strip() and line[1:].strip()[0] not in "#@"]
    return code.count("+"), code.count("-")


# --- candidates


class _Region(NamedTuple):
    """The lines that a repair changes, and one on either side."""

    start: int  # bytes of the file before
    end: int
    changed: tuple[int, int]  # without the lines on either side
    after: str  # what stands there after the repair


def listed_or_none(repair: Repair) -> Listed | None:
    """The candidates of a repair's function; None if it has none, is long, or takes too long."""

    def late(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        return _listed(repair)
    except (TimeoutError, RecursionError):
        return None
    finally:
        signal.alarm(0)


def _listed(repair: Repair) -> Listed | None:
    data, region = repair.before.encode(), _region(repair)
    tree = parse(data)
    outer = _outermost(functions(tree), region) if region else None
    if region is None or outer is None or outer.node.has_error:
        return None
    if outer.node.end_point[0] - outer.node.start_point[0] > MAX_FUNCTION:
        return None
    view = FunctionView(tree, outer, analyze(tree))
    shares, nodes = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    weights: Counter[tuple[Edit, ...]] = Counter()
    right: dict[tuple[Edit, ...], bool] = {}
    for group in groups(view, lambda start, end: 1.0):
        at = NAMES.index(group.name)
        for one, share in group.shares():
            nodes[at] += share
            weights[one.edits] += group.rule.weight * share  # type: ignore[assignment]
            if one.edits not in right:
                right[one.edits] = _is_repair(one.edits, data, region, repair.after)
            shares[at] += share * right[one.edits]
    best = max((weights[edits] for edits, is_right in right.items() if is_right), default=None)
    rank = None if best is None else sum(weight > best for weight in weights.values())
    return Listed(repair.project, shares, nodes, rank)


def _outermost(found: Sequence[Definition], region: _Region) -> Definition | None:
    around = (
        one for one in found
        if one.node.start_byte <= region.changed[0] and region.changed[1] <= one.node.end_byte + 1
    )  # fmt: skip
    return min(around, key=lambda one: one.node.start_byte, default=None)


def _region(repair: Repair) -> _Region | None:
    old, new = (text.splitlines(keepends=True) for text in (repair.before, repair.after))
    changes = [
        code
        for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if _plain("".join(old[code[1] : code[2]])) != _plain("".join(new[code[3] : code[4]]))
    ]
    if not changes:
        return None
    first, last = max(0, changes[0][1] - 1), changes[-1][2] + 1
    after = "".join(new[max(0, changes[0][3] - 1) : changes[-1][4] + 1])
    offsets = [0, *accumulate(len(line.encode()) for line in old)]
    changed = offsets[changes[0][1]], offsets[changes[-1][2]]
    return _Region(offsets[first], offsets[min(last, len(old))], changed, after)


def _is_repair(edits: tuple[Edit, ...], data: bytes, region: _Region, after: str) -> bool:
    if min(e.start for e in edits) < region.start or max(e.end for e in edits) > region.end:
        return False
    inner = [Edit(e.start - region.start, e.end - region.start, e.replacement) for e in edits]
    try:
        text = apply(data[region.start : region.end], inner).decode()
        return _plain(text) == _plain(region.after) and _same(apply(data, edits).decode(), after)
    except (EditError, UnicodeDecodeError):
        return False


def _plain(text: str) -> str:
    """A text without comments and blanks."""
    text = "\n".join(re.sub(r"(^|\s)#.*$", "", line) for line in text.splitlines())
    return re.sub(r"\s+", "", text).replace("'", '"').replace("returnNone", "return")


def _same(one: str, other: str) -> bool:
    try:
        trees = [ast.dump(ast.parse(text)) for text in (one, other)]
    except (SyntaxError, ValueError):
        return False
    bare = [text.replace("Return(value=Constant(value=None))", "Return()") for text in trees]
    return bare[0] == bare[1]


# --- weights


def _log_probabilities(rows: Sequence[Listed], logs: Floats) -> Floats:
    weights = np.exp(logs)
    found: Floats = np.log([one.shares @ weights for one in rows]) - np.log(
        [one.nodes @ weights for one in rows]
    )
    return found


def _fit(rows: Sequence[Listed], present: Floats) -> Floats:
    """Logarithms of the weights."""
    shares, nodes = (np.array([one[at] for one in rows]) for at in (1, 2))
    counts = np.array([1.0 if one.project else EVEN_TASKS for one in rows])

    def loss(logs: Floats) -> tuple[float, Floats]:
        weights = np.exp(logs)
        ours, all_ = shares @ weights, nodes @ weights
        slope = counts @ (shares * weights / ours[:, None] - nodes * weights / all_[:, None])
        apart = logs - present
        value = -(counts @ np.log(ours / all_)) + RIDGE * (apart @ apart)
        return float(value), 2 * RIDGE * apart - slope

    found: Floats = minimize(loss, present, jac=True, method="L-BFGS-B").x
    return found


def _cross_validated(rows: Sequence[Listed], present: Floats) -> Floats:
    """Logarithms of p, each with weights fitted to other projects, or other tasks."""
    found = np.zeros(len(rows))
    projects = sorted({one.project for one in rows if one.project})
    folds = [
        (projects.index(one.project) if one.project else at) % FOLDS for at, one in enumerate(rows)
    ]
    for fold in range(FOLDS):
        logs = _fit([one for one, at in zip(rows, folds, strict=True) if at != fold], present)
        left_out = np.array(folds) == fold
        found[left_out] = _log_probabilities(rows, logs)[left_out]
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the repositories are")
    parser.add_argument("--data", type=Path, help="humanevalfix.jsonl, for its even tasks")
    parser.add_argument("--made", type=Path, help="made_bugs.jsonl")
    parser.add_argument("--projects", default="", help="only these, by name")
    parser.add_argument("--each", type=int, default=80, help="fixes of a project, at most")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
