"""One run of a comparison, in a process of its own: train, judge, write outcome.json last.

    python -m codemtl.training.compare.worker FOLDER

FOLDER/run.json says what to do, and with how many threads (0: as torch decides). The process ends
when its standard input closes: when whoever started it was stopped, in whatever way. It goes on
from its last checkpoint then.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from codemtl.errors import CodemtlError
from codemtl.model.atomic import write_atomic
from codemtl.model.checkpoints import load_network
from codemtl.model.network import Network
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.tasks.registry import SHIPPED
from codemtl.training.compare.held_out import HeldOut, judge
from codemtl.training.compare.runs import OUTCOME, RUN
from codemtl.training.config import TrainingConfig, config_from_dict
from codemtl.training.report import LOG
from codemtl.training.report.history import History
from codemtl.training.run import train_as

LOCK = ".lock"
INTERRUPTED = 130
_MIB = 1 << 20


def main() -> None:
    """Run one folder; the exit code is 0, 2 for an error that was explained, or 130."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        threading.Thread(target=_watch_input, daemon=True).start()
        work(Path(sys.argv[1]))
    except CodemtlError as error:
        print(f"codemtl: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _watch_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)  # also where it waits for the lock of a folder


def work(folder: Path) -> None:
    """Make a run from where it stands; nothing is done where its outcome is there."""
    with open(folder / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a run that is being stopped ends first
        if not (folder / OUTCOME).is_file():
            _work(folder)


def _work(folder: Path) -> None:
    order: dict[str, Any] = json.loads((folder / RUN).read_text("utf-8"))
    settings = config_from_dict(order["settings"])
    data, source = Path(order["data"]), order["source"]
    if order.get("threads"):
        torch.set_num_threads(order["threads"])
    resumed = (folder / "checkpoints").exists()
    clock, processor = time.perf_counter(), time.process_time()
    chosen = train_as(
        settings, data, folder, resume=True, init=folder.parents[1] / source if source else None
    )
    spent = {
        "seconds": time.perf_counter() - clock,
        "processor_seconds": time.process_time() - processor,
        "memory": peak_memory(),
        "resumed": resumed,
    }
    network, _ = load_network(folder)
    trained = [
        task for task in SHIPPED if task in settings.tasks and settings.tasks[task].share > 0
    ]
    if torch.cuda.is_available():
        network.cuda()
    trunk, respelling = network.config.trunk, None
    if trunk is not None:
        respelling = Respelling.load(folder, CodeTokenizer.load(data), trunk)
    held_out = HeldOut.of(
        data, order["split"], settings.validation_fraction, respelling,
        siblings=network.config.siblings,
    )  # fmt: skip
    document = {
        "step": int(chosen["step"]), **spent, **_facts(folder, network, settings, trained),
        "outcomes": judge(network, held_out, trained, order["cases"]),
    }  # fmt: skip
    write_atomic(folder / OUTCOME, (json.dumps(document) + "\n").encode())
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _facts(
    folder: Path, network: Network, settings: TrainingConfig, tasks: list[str]
) -> dict[str, Any]:
    """What the run was: parameters that its tasks use, speed, what the unrelated task came to."""
    history = History.read(folder / LOG)
    speed = history["tokens_per_second"]
    unrelated = history["validation/reversal/text_accuracy"]
    return {
        "parameters": sum(
            parameter.numel()
            for name, child in network.named_children()
            for parameter in child.parameters()
            if name in ("encoder", *tasks)
        ),
        "tokens_per_second": None if speed is None else speed.mean,
        "micro_batches": settings.steps * settings.accumulation,
        "unrelated_accuracy": None if unrelated is None else unrelated.last,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def peak_memory() -> float:
    """MiB: the most that tensors took on a GPU, or that this process held on a CPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / _MIB
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB


if __name__ == "__main__":
    main()
