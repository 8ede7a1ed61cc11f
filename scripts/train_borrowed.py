"""Train on a machine that is lent for minutes, and have its best weights in parts at any time.

    python scripts/train_borrowed.py pack SHARDS --out PARTS          here, beforehand
    python scripts/train_borrowed.py warm WARM --data data/tiny --init MODEL       there, first
    python scripts/train_borrowed.py take PARTS/1 --data DATA         there, as each part arrives
    python scripts/train_borrowed.py start RUN --data DATA --init MODEL --seconds 700
    python scripts/train_borrowed.py fetch RUN --out WEIGHTS --wait 480
    python scripts/train_borrowed.py join WEIGHTS --out MODEL         here

``pack`` sorts shards (never those of the test split) into folders of a size that travels. ``warm``
fills the compiler's cache while they do: a few steps of each task at once, which also shows that
the machine can do them. ``take`` moves a part into the folder of the data and unpacks it behind
it. ``start`` returns at once; the run goes on behind it and does what `codemtl train --preset base
--time-budget 700` does, with ``--set`` too. ``fetch`` waits until the run has ended, but no longer
than it is told to, and leaves the weights that the run has chosen by then, in int8 and with its
log, in parts of a size that travels; so a run that is cut off leaves something too. ``join`` makes
a model folder of them. Shards are all that is needed: neither tree-sitter nor datasets.
"""

from __future__ import annotations

import argparse
import io
import shutil
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
from codemtl.training.shards import SUFFIX, Shard

PID, OUTPUT, PART = "pid", "output.txt", "part."
TOLD = 500  # characters of a run's output that are printed
BESIDE = (FILE_NAME, "metrics.json", "log.jsonl")  # of the run's folder, with the weights
VALIDATION = 2  # shards of it that a run needs; the fixes besides
SHORT = ("steps=20", "warmup=200", "learning_rate=1e-6", "workers=2", "evaluate_batches=1",
         "evaluate_every=100000", "checkpoint_every=100000", "diagnose_every=100000")  # fmt: skip
WARM = {  # what is compiled by itself
    "many": ("repair", "tasks.repair.stages={dense=1}"),
    "one": ("repair", "tasks.repair.stages={single=1}"),
    "summarize": ("summarize",), "generate": ("generate",),
}  # fmt: skip
TASKS = ("repair", "summarize", "generate")
KEPT = ("name", "calibration", "calibrated_on", "step")  # of the run's config.json


def pack(options: argparse.Namespace) -> None:
    """Shards to numbered folders; what every run needs is in the first."""

    def those(pattern: str) -> list[Path]:
        return sorted(options.data.glob(pattern + SUFFIX))

    validation = those("validation-[0-9]*")[:VALIDATION]
    fixes = [*those("train-fixes-*"), *those("validation-fixes-*")]
    paths = [*fixes, *validation, *those("train-[0-9]*")]
    if options.out.exists():
        raise UsageError(f"{options.out} is there already; name another folder")
    if not validation:
        raise UsageError(f"{options.data} holds no shards of both splits; prepare a corpus first")
    size, number = 0, 1
    for path in (options.data / FILE_NAME, *paths):
        size += path.stat().st_size
        if size > options.megabytes * 1_000_000:
            size, number = path.stat().st_size, number + 1
        folder = options.out / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    print(f"{options.out}: {len(paths)} shards in {number} parts")


def take(options: argparse.Namespace) -> None:
    """Move a part to the data and unpack it in a process of its own, which outlives this one."""
    options.data.mkdir(parents=True, exist_ok=True)
    paths = [shutil.move(path, options.data / path.name) for path in options.run.iterdir()]
    shards = [str(path) for path in paths if path.name.endswith(SUFFIX)]
    behind([sys.executable, __file__, "unpack", *shards], options.data / OUTPUT)
    print(f"{options.data}: {len(list(options.data.glob('*' + SUFFIX)))} shards")


def unpack(options: argparse.Namespace) -> None:
    """Open shards once."""
    for path in options.shards:
        Shard(path)


def warm(options: argparse.Namespace) -> None:
    """Short runs of each task beside each other."""
    options.run.mkdir(parents=True, exist_ok=True)
    runs = {}
    for name, (task, *own) in WARM.items():
        others = [f"tasks.{other}.share=0" for other in TASKS if other != task]
        changes = [*options.changes, *SHORT, *others, *own]
        command = training(options, options.run / name, changes)
        runs[name] = behind(command, options.run / f"{name}.txt")
    since = time.monotonic()
    for name, run in runs.items():
        code = run.wait()
        told = (options.run / f"{name}.txt").read_text("utf-8").strip()
        print(f"{name}: exit code {code} after {time.monotonic() - since:.0f} s\n{told[-TOLD:]}")
    if any(run.returncode for run in runs.values()):
        raise UsageError("a run failed; --set compile=false leaves the compiler out")


def start(options: argparse.Namespace) -> None:
    """Begin the run in a session of its own, which outlives this command."""
    if (options.run / PID).exists():
        raise UsageError(f"{options.run} holds a run already; name another folder")
    options.run.mkdir(parents=True, exist_ok=True)
    changes = [*options.changes, f"seconds={options.seconds}"]
    child = behind(training(options, options.run, changes), options.run / OUTPUT)
    (options.run / PID).write_text(str(child.pid), "utf-8")
    print(f"{options.run}: process {child.pid}, {options.seconds:.0f} s; see {OUTPUT}")


def training(options: argparse.Namespace, run: Path, changes: list[str]) -> list[str]:
    """The command of a run."""
    command = [sys.executable, "-u", __file__, "train", run, "--data", options.data]
    command += ["--preset", options.preset]
    command += [] if options.init is None else ["--init", options.init]
    command += [part for change in changes for part in ("--set", change)]
    return [str(part) for part in command]


def behind(command: list[str], output: Path) -> subprocess.Popen[bytes]:
    """A process in a session of its own, which outlives this one."""
    with open(output, "wb") as told:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True
        )


def train(options: argparse.Namespace) -> None:
    """The run itself."""
    from codemtl.training.run import train as run

    print(run(
        preset=options.preset, data=options.data, init=options.init, out=options.run / "model",
        overrides=options.changes,
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
    one = commands.add_parser("pack")
    one.add_argument("data", type=Path, metavar="SHARDS")
    one.add_argument("--out", type=Path, required=True, metavar="PARTS")
    one.add_argument("--megabytes", type=float, default=60.0, help="of a part")
    one.set_defaults(does=pack)
    one = commands.add_parser("take")
    one.add_argument("run", type=Path, metavar="PART")
    one.add_argument("--data", type=Path, required=True, metavar="DATA")
    one.set_defaults(does=take)
    one = commands.add_parser("unpack")
    one.add_argument("shards", type=Path, nargs="*", metavar="SHARD")
    one.set_defaults(does=unpack)
    for name, does in (("warm", warm), ("start", start), ("train", train)):
        one = commands.add_parser(name)
        one.add_argument("run", type=Path, metavar="RUN")
        one.add_argument("--data", type=Path, required=True, metavar="SHARDS")
        one.add_argument("--init", type=Path, metavar="MODEL")
        one.add_argument("--preset", default="base")
        one.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
        if does is start:
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
