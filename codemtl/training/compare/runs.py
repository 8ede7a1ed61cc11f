"""Making the runs of a plan, each once: what is there is kept, what was stopped goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from codemtl.errors import CodemtlError, DataError, UsageError
from codemtl.model.atomic import write_atomic
from codemtl.training.compare.plan import Plan
from codemtl.training.dataset import fingerprint

RUN, OUTCOME = "run.json", "outcome.json"
FINISHED, BEGUN, TO_DO = "finished", "begun", "to do"
ENDING = 60.0  # seconds that a stopped run has to write its report
LOOK = 0.2  # seconds between looks whether a run has ended
Launch = Callable[[Path, threading.Event], None]  # makes the run of a folder, or stops


def make_runs(
    plan: Plan, data: Path, out: Path, *, cases: int, split: str, jobs: int, launch: Launch,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """The outcome of every run by its name.

    Args:
        plan: the runs.
        data: folder of shards.
        out: the comparison's folder.
        cases: held-out examples of a task.
        split: where they come from.
        jobs: how many runs are made at once.
        launch: makes one run.
        say: told the name of each run that is made.

    Raises UsageError if a run that is there was made with other settings or data.
    """
    orders = _orders(plan, data, cases, split)
    for run in plan.runs:
        _check_same(out / run.name, orders[run.name])
    threads = threads_of_each(jobs)
    numbers = {run.name: number for number, run in enumerate(plan.runs, 1)}
    waiting = [run for run in plan.runs if not (out / run.name / OUTCOME).is_file()]
    under_way: dict[Future[None], str] = {}
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or under_way:
                unmade = {*under_way.values(), *(run.name for run in waiting)}
                ready = [run for run in waiting if run.source not in unmade]
                for run in ready[: jobs - len(under_way)]:
                    steps = run.settings.steps
                    say(f"run {numbers[run.name]} of {len(numbers)}: {run.name}, {steps} steps")
                    _write_order(out / run.name, orders[run.name], threads)
                    under_way[pool.submit(launch, out / run.name, stop)] = run.name
                    waiting.remove(run)
                for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                    under_way.pop(done)
                    done.result()
        finally:
            stop.set()
    return {run.name: read_outcome(out / run.name) for run in plan.runs}


def threads_of_each(jobs: int) -> int:
    """Threads of a run beside others; 0 for one alone: as torch decides."""
    return 0 if jobs == 1 else max(1, (os.cpu_count() or 1) // jobs)


def start_process(folder: Path, stop: threading.Event) -> None:
    """Make a run in a process of its own, which ends when this one does, however that ends.

    It also ends when ``stop`` is set, and goes on from its last checkpoint the next time.
    """
    command = [sys.executable, "-m", "codemtl.training.compare.worker", str(folder.absolute())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    try:
        while process.poll() is None and not stop.wait(LOOK):
            pass
    finally:
        process.stdin.close()
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
    if process.returncode:
        raise CodemtlError(
            f"the run {folder} failed (exit code {process.returncode}), see above; remedy that and "
            "give the same command again to go on"
        )


def read_outcome(folder: Path) -> dict[str, Any]:
    """outcome.json of a finished run. Raises DataError."""
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / OUTCOME} cannot be read: {error}; remove {folder} and give the same "
            "command again"
        ) from error
    return found


def state(folder: Path) -> str:
    """What there is of a run: FINISHED, BEGUN or TO_DO."""
    if (folder / OUTCOME).is_file():
        return FINISHED
    return BEGUN if (folder / RUN).is_file() else TO_DO


def _orders(plan: Plan, data: Path, cases: int, split: str) -> dict[str, dict[str, Any]]:
    """What each run is told."""
    made_of = fingerprint(data)
    return {
        run.name: {
            "settings": run.settings.to_dict(), "source": run.source, "cases": cases,
            "split": split, "fingerprint": made_of, "data": str(data.absolute()),
        }
        for run in plan.runs
    }  # fmt: skip


def _check_same(folder: Path, order: Mapping[str, Any]) -> None:
    before = _read_order(folder)
    if before is None:
        return
    now = json.loads(json.dumps(order))
    pairs = {key: (before.get(key), now[key]) for key in now if key not in ("data", "settings")}
    settings = before.get("settings", {})
    pairs |= {key: (settings.get(key), value) for key, value in now["settings"].items()}
    for key, (then, value) in pairs.items():
        if then != value:
            raise UsageError(
                f"{folder} was made with {key} = {then!r}, not {value!r}; give the same options "
                "again, or another --out"
            )


def _read_order(folder: Path) -> dict[str, Any] | None:
    path = folder / RUN
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; remove {folder}") from error
    return found


def _write_order(folder: Path, order: Mapping[str, Any], threads: int) -> None:
    """A run that goes on keeps its number of threads, as its checkpoints need."""
    before = _read_order(folder)
    told = {**order, "threads": threads if before is None else before.get("threads", 0)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write to --out {folder}: {error.strerror}; name another"
        ) from error
    write_atomic(folder / RUN, (json.dumps(told, indent=2) + "\n").encode())
