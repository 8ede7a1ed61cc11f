"""HumanEvalFix with tests given and the line not: how many of the bugs does the search repair?

    python scripts/bench_humanevalfix.py --data FOLDER/humanevalfix.jsonl [--part even|odd|all]
        [--seconds 60] [--orders model,coverage,random] [--order-candidates 500] [--hidden]
        [--out RESULTS.jsonl] [--report]

Each task becomes a folder with ``solution.py`` and a pytest file; the search gets --seconds, the
first run of the tests included. Fixed: the best patch also passes the whole command in a fresh
process. The other orders try the same single edits, up to --order-candidates of them; --hidden
searches once more with half of the assertions of each task that has four or more, and runs the
patch on the other half. What --out holds is kept and added to; --report prints the tables only.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from codemtl.inference import SHIPPED_MODEL, Predictor, load_predictor
from codemtl.scripting import script
from codemtl.search import search as searching
from codemtl.search.naturalness import naturalness
from codemtl.search.outcomes import Verdict
from codemtl.search.patches import best_first
from codemtl.search.pool import Validator
from codemtl.search.search import search
from codemtl.search.singles import SearchFile
from codemtl.syntax.definitions import functions
from codemtl.syntax.files import SourceFile

COMMAND = "{python} -m pytest -q test_solution.py"
CURVE = (1, 3, 10, 30, 100, 300, 500, 1000, 3000)


def main() -> None:
    options = _arguments()
    rows = [json.loads(line) for line in options.data.read_text("utf-8").splitlines()]
    wanted = [row for row in rows if _belongs(row, options)]
    found = _kept(options.out)
    predictor = None if options.report else load_predictor(threads=1)
    for row in [] if options.report else wanted:
        assert predictor is not None
        known = found.setdefault(row["task_id"], {})
        result = _task(row, predictor, options, set(known))
        if not result:
            continue
        known.update(result)
        print(_line(row, known), file=sys.stderr, flush=True)
        if options.out:
            with options.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"task": row["task_id"], **result}) + "\n")
    print(f"command: {shlex.join(['python', *sys.argv])}")
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    model = json.loads((SHIPPED_MODEL / "config.json").read_text("utf-8"))
    print(f"commit {revision}, seed 0, model {model['name']} {str(model['sha256'])[:12]}")
    for part in ("even", "odd", "all"):
        chosen = [r for r in wanted if r["task_id"] in found and part in (_half(r), "all")]
        if chosen:
            _print_part(part, [(row, found[row["task_id"]]) for row in chosen], options)


def _half(row: dict[str, Any]) -> str:
    return "odd" if _number(row) % 2 else "even"


def _number(row: dict[str, Any]) -> int:
    return int(row["task_id"].rpartition("/")[2])


def _belongs(row: dict[str, Any], options: argparse.Namespace) -> bool:
    if options.tasks:
        return str(_number(row)) in options.tasks.split(",")
    return options.part in ("all", _half(row))


# --- one task


def _task(
    row: dict[str, Any], predictor: Predictor, options: argparse.Namespace, known: set[str]
) -> dict[str, Any]:
    """What the wanted searches found, those that are ``known`` left out."""
    found: dict[str, Any] = {}
    test = _test_file(row, lambda _: True)
    cache: dict[bytes, Verdict] = {}
    for order in options.orders.split(","):
        if order in known:
            continue
        if order == "model":
            found[order] = _search(row, test, predictor, order, options.seconds, None, cache)
        elif order in ("coverage", "random"):
            limit = options.order_candidates
            found[order] = _search(row, test, predictor, order, 600.0, limit, cache)
    if options.hidden and "hidden" not in known and _assertions(row) >= 4:
        visible = _test_file(row, lambda index: index % 2 == 0)
        hidden = _test_file(row, lambda index: index % 2 == 1)
        result = _search(row, visible, predictor, "model", options.seconds, None, {})
        if result["fixed"]:
            result["hidden"] = _passes(row, result["patched"], hidden)
        found["hidden"] = result
    return found


def _search(
    row: dict[str, Any], test: str, predictor: Predictor, order: str, seconds: float,
    limit: int | None, cache: dict[bytes, Verdict],
) -> dict[str, Any]:  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="humanevalfix-") as folder:
        path = Path(folder, "solution.py")
        path.write_text(row["prompt"] + row["buggy_solution"], "utf-8")
        path.with_name("test_solution.py").write_text(test, "utf-8")
        started = time.monotonic()
        command = COMMAND.format(python=sys.executable)
        with contextlib.chdir(folder), Validator(command, [path], jobs=2) as validator:
            baseline = validator.baseline()
            if baseline.status != "failing":
                return {"fixed": False, "status": baseline.status, "message": baseline.message}
            judge = _Counting(validator, limit, cache)
            file = SearchFile.of(SourceFile.read(path), functions)
            left = max(1.0, seconds - (time.monotonic() - started))
            outcome = search(
                [file], baseline, judge, predictor, seconds=left,
                order=order,  # type: ignore[arg-type]
            )  # fmt: skip
            return _outcome(outcome, validator, test, started, file, predictor)


def _outcome(
    outcome: searching.Outcome, validator: Validator, test: str, started: float,
    file: SearchFile, predictor: Predictor,
) -> dict[str, Any]:  # fmt: skip
    best = None
    natural = naturalness(outcome.passing, {file.path: file.tree}, predictor)
    for one in best_first(outcome.passing, test, natural):
        if validator.confirm(one.path, file.source.encode(one.patched)).status == "passed":
            best = one
            break
    return {
        "fixed": best is not None,
        "status": "failing",
        "candidates": min((one.tried for one in outcome.passing), default=None),
        "tried": outcome.tried,
        "passing": len(outcome.passing),
        "seconds": round(time.monotonic() - started, 2),
        "rule": best.candidate.rule if best else None,
        "patched": best.patched.decode() if best else None,
    }


class _Counting:
    """A judge that stops after so many candidates and asks only once about the same text."""

    def __init__(
        self, validator: Validator, limit: int | None, cache: dict[bytes, Verdict]
    ) -> None:
        self.validator, self.left, self.cache = validator, limit, cache
        self.known: list[tuple[int, Verdict]] = []
        self.texts: dict[int, bytes] = {}

    @property
    def capacity(self) -> int:
        if self.left is not None and self.left <= 0:
            return 0
        return 1 if self.known else self.validator.capacity

    def submit(self, key: int, path: Path, data: bytes) -> None:
        if self.left is not None:
            self.left -= 1
        if data in self.cache:
            self.known.append((key, self.cache[data]))
        else:
            self.texts[key] = data
            self.validator.submit(key, path, data)

    def wait(self, timeout: float | None = None) -> list[tuple[int, Verdict]]:
        if self.known:
            known, self.known = self.known, []
            return known
        heard = self.validator.wait(timeout)
        for key, verdict in heard:
            self.cache[self.texts.pop(key)] = verdict
        return heard


def _test_file(row: dict[str, Any], keep: Callable[[int], bool]) -> str:
    """The task's tests for pytest, with those assertions of ``check`` that ``keep`` wants."""
    tree = ast.parse(row["test"])
    tree.body = [node for node in tree.body if not _is_call_of_check(node)]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "check":
            numbers = iter(range(len(node.body)))
            node.body = [
                one for one in node.body if not isinstance(one, ast.Assert) or keep(next(numbers))
            ] or [ast.Pass()]
    entry = row["entry_point"]
    head = f"from solution import *\nfrom solution import {entry}\n\n"
    return f"{head}{ast.unparse(tree)}\n\n\ndef test_solution():\n    check({entry})\n"


def _is_call_of_check(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "check"
    )


def _assertions(row: dict[str, Any]) -> int:
    """Top-level assertions of ``check`` that are not mere ``assert True``."""
    for node in ast.parse(row["test"]).body:
        if isinstance(node, ast.FunctionDef) and node.name == "check":
            return sum(
                isinstance(one, ast.Assert) and not isinstance(one.test, ast.Constant)
                for one in node.body
            )
    return 0


def _passes(row: dict[str, Any], patched: str, test: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="humanevalfix-") as folder:
        path = Path(folder, "solution.py")
        path.write_text(row["prompt"] + row["buggy_solution"], "utf-8")
        path.with_name("test_solution.py").write_text(test, "utf-8")
        command = COMMAND.format(python=sys.executable)
        with contextlib.chdir(folder), Validator(command, [path], jobs=1) as validator:
            return validator.confirm(path, patched.encode()).status == "passed"


# --- tables


def _line(row: dict[str, Any], result: dict[str, Any]) -> str:
    model = result.get("model", {"fixed": False})
    verdict = "fixed" if model["fixed"] else "-"
    others = " ".join(f"{key} {result[key].get('candidates')}" for key in ("coverage", "random")
                      if key in result)  # fmt: skip
    hidden = result.get("hidden", {}).get("hidden", "")
    return (
        f"{row['task_id']:11} {row['bug_type']:16} {verdict:6} candidates "
        f"{model.get('candidates')} of {model.get('tried')} in {model.get('seconds')} s "
        f"{model.get('rule')} {others} {'hidden ' + str(hidden) if hidden != '' else ''}"
    )


def _print_part(
    part: str, results: Sequence[tuple[dict[str, Any], dict[str, Any]]], options: argparse.Namespace
) -> None:
    print(f"\n## {part} tasks ({len(results)})\n")
    print("| bug type | tasks | fixed | median candidates | median seconds |")
    print("| --- | --- | --- | --- | --- |")
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row, result in results:
        if "model" in result:
            groups[row["bug_type"]].append(result["model"])
            groups["all"].append(result["model"])
    for name, members in sorted(groups.items(), key=lambda item: (item[0] == "all", item[0])):
        fixed = [one for one in members if one["fixed"]]
        counts = _median([one["candidates"] for one in fixed])
        seconds = _median([one["seconds"] for one in fixed])
        print(f"| {name} | {len(members)} | {len(fixed)} | {counts} | {seconds} |")
    _print_curve(results)
    _print_hidden(results)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):g}" if values else "-"


def _print_curve(results: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    orders = [o for o in ("model", "coverage", "random") if any(o in r for _, r in results)]
    print(f"\n| order: tests pass after | {' | '.join(map(str, CURVE))} | median candidates |")
    print("| --- |" + " --- |" * (len(CURVE) + 1))
    for order in orders:
        counts = [r[order].get("candidates") for _, r in results if order in r]
        known = [float("inf") if one is None else float(one) for one in counts]
        row = [str(sum(one <= limit for one in known)) for limit in CURVE]
        print(f"| {order} | {' | '.join(row)} | {statistics.median(known):g} |")


def _print_hidden(results: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    tasks = [r["hidden"] for _, r in results if "hidden" in r]
    found = [one for one in tasks if one["fixed"]]
    if tasks:
        right = sum(one["hidden"] for one in found)
        share = f" ({right / len(found):.1%})" if found else ""
        print(
            f"\nhalf of the assertions hidden: {len(tasks)} tasks, {len(found)} patches found,"
            f" {right} of them pass the hidden half{share}"
        )


def _kept(out: Path | None) -> dict[str, Any]:
    if out is None or not out.is_file():
        return {}
    found: dict[str, Any] = {}
    for line in out.read_text("utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row.pop("task"), {}).update(row)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="humanevalfix.jsonl")
    parser.add_argument("--part", choices=("even", "odd", "all"), default="all")
    parser.add_argument("--tasks", help="numbers of tasks, with commas")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--orders", default="model")
    parser.add_argument("--order-candidates", type=int, default=500)
    parser.add_argument("--hidden", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--report", action="store_true", help="print what --out holds")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
