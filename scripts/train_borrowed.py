"""Train on a machine that is lent for minutes, and have its best weights in parts at any time.

    python scripts/train_borrowed.py start RUN --data SHARDS --init codemtl/weights --seconds 700
    python scripts/train_borrowed.py fetch RUN --out PARTS --wait 480
    python scripts/train_borrowed.py join PARTS --out MODEL

``start`` returns at once; the run goes on behind it and does what `codemtl train --preset base
--time-budget 700` does, with ``--set`` too. ``fetch`` waits until the run has ended, but no longer
than it is told to, and leaves the weights that the run has chosen by then, in int8 and with its
log, in parts of a size that travels; so a run that is cut off leaves something too. ``join`` makes
a model folder of them. Shards are all that is needed: neither tree-sitter nor datasets.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from codemtl.errors import UsageError
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.folder import CONFIG, WEIGHTS, read_config
from codemtl.model.tokenizer import FILE_NAME
from codemtl.scripting import argument_parser, script

PID, OUTPUT, PART = "pid", "output.txt", "part."
BESIDE = (FILE_NAME, "metrics.json", "log.jsonl")  # of the run's folder, with the weights
KEPT = ("name", "calibration", "calibrated_on", "step")  # of the run's config.json


def start(options: argparse.Namespace) -> None:
    """Begin the run in a session of its own, which outlives this command."""
    if (options.run / PID).exists():
        raise UsageError(f"{options.run} holds a run already; name another folder")
    options.run.mkdir(parents=True, exist_ok=True)
    own = ["--data", options.data, "--preset", options.preset]
    own += [] if options.init is None else ["--init", options.init]
    own += [part for change in options.changes for part in ("--set", change)]
    command = [sys.executable, "-u", __file__, "train", options.run, "--seconds", options.seconds]
    with open(options.run / OUTPUT, "w", encoding="utf-8") as output:
        child = subprocess.Popen(
            [str(part) for part in (*command, *own)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    (options.run / PID).write_text(str(child.pid), "utf-8")
    print(f"{options.run}: process {child.pid}, {options.seconds:.0f} s; see {OUTPUT}")


def train(options: argparse.Namespace) -> None:
    """The run itself."""
    from codemtl.training.run import train as run

    print(run(
        preset=options.preset, data=options.data, init=options.init, out=options.run / "model",
        time_budget=options.seconds, overrides=options.changes,
    ))  # fmt: skip


def fetch(options: argparse.Namespace) -> None:
    """Wait for the run, at most as long as told, and write its weights in parts."""
    end = time.monotonic() + options.wait
    if not (options.run / PID).is_file():
        raise UsageError(f"{options.run} holds no run; name the folder that `start` was given")
    pid = int((options.run / PID).read_text("utf-8"))
    while time.monotonic() < end and goes_on(pid):
        time.sleep(0.2)
    print("the run goes on" if goes_on(pid) else "the run has ended")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / OUTPUT).write_bytes((options.run / OUTPUT).read_bytes())
    model = options.run / "model"
    if not (model / WEIGHTS).is_file():
        raise UsageError(f"{model} holds no weights yet; {options.run / OUTPUT} says what happens")
    values = read_config(model)
    kept = {key: values[key] for key in KEPT if key in values}
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=packed, mode="w") as tar:
        save_network(load_network(model)[0], Path(folder), quantize=True, **kept)
        for name in (CONFIG, WEIGHTS):
            tar.add(Path(folder, name), name)
        for name in BESIDE:
            tar.add(model / name, name)
    for old in options.out.glob(PART + "*"):
        old.unlink()
    data, size = packed.getvalue(), options.part_megabytes * 1_000_000
    for number, low in enumerate(range(0, len(data), size)):
        (options.out / f"{PART}{number:03d}").write_bytes(data[low : low + size])
    print(f"{options.out}: {len(data) / 1e6:.1f} MB in parts")


def join(options: argparse.Namespace) -> None:
    """Parts to a model folder, which is read once to see that it is whole."""
    parts = sorted(options.run.glob(PART + "*"))
    if not parts:
        raise UsageError(f"{options.run} holds no parts; name the folder that `fetch` wrote")
    options.out.mkdir(parents=True, exist_ok=True)
    data = b"".join(part.read_bytes() for part in parts)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(options.out, filter="data")
    except tarfile.TarError as error:
        raise UsageError(f"{options.run} does not hold all parts: {error}") from error
    load_network(options.out)
    print(f"{options.out}: {len(parts)} parts")


def goes_on(pid: int) -> bool:
    """Whether a process lives; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def main() -> None:
    parser = argument_parser(__doc__)
    commands = parser.add_subparsers(required=True)
    for name, does in (("start", start), ("train", train)):
        one = commands.add_parser(name)
        one.add_argument("run", type=Path, metavar="RUN")
        one.add_argument("--data", type=Path, required=True, metavar="SHARDS")
        one.add_argument("--init", type=Path, metavar="MODEL")
        one.add_argument("--preset", default="base")
        one.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
        one.add_argument("--seconds", type=float, required=True)
        one.set_defaults(does=does)
    one = commands.add_parser("fetch")
    one.add_argument("run", type=Path, metavar="RUN")
    one.add_argument("--out", type=Path, required=True, metavar="PARTS")
    one.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    one.add_argument("--part-megabytes", type=int, default=15)
    one.set_defaults(does=fetch)
    one = commands.add_parser("join")
    one.add_argument("run", type=Path, metavar="PARTS")
    one.add_argument("--out", type=Path, required=True, metavar="MODEL")
    one.set_defaults(does=join)
    options = parser.parse_args()
    options.does(options)


if __name__ == "__main__":
    script(main)
