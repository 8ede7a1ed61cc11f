"""Wall time of whole processes: what a user waits for.

    python scripts/bench_startup.py [--model DIR] [--file FILE] [--runs 7]

Medians over the runs. The second file's time is that of one call with two files less that of one
call with one. Without ``--file``, two modules of the standard library of about 300 lines serve.
Exit code 1 if ``codemtl --help`` or ``import codemtl`` imports torch.
"""

from __future__ import annotations

import argparse
import queue
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from codemtl.scripting import argument_parser, print_command, script

HEAVY = ("torch", "transformers", "tokenizers", "numpy", "tree_sitter")


def main() -> int:
    options = _arguments()
    console = shutil.which("codemtl", path=str(Path(sys.executable).parent))
    codemtl = [console] if console else [sys.executable, "-m", "codemtl"]
    imports = {
        "codemtl --help": ["-m", "codemtl", "--help"],
        "import codemtl": ["-c", "import codemtl"],
    }
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"{number}.py" for number in (1, 2)]
        sources = [options.file or Path(queue.__file__), Path(shlex.__file__)]
        for file, source in zip(files, sources, strict=True):
            file.write_bytes(source.read_bytes())
        repair = [*codemtl, "repair", *(["--model", str(options.model)] if options.model else [])]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "codemtl --help": [*codemtl, "--help"],
            'python -c "import codemtl"': [sys.executable, "-c", "import codemtl"],
            "codemtl repair FILE": [*repair, str(files[0])],
            "codemtl repair FILE FILE2": [*repair, *map(str, files)],
        }
        times: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(options.runs):  # in turn, so that a slow moment hits all
            for label, command in commands.items():
                times[label].append(_seconds(command))
        sizes = [len(file.read_text("utf-8").splitlines()) for file in files]
    medians = {label: statistics.median(found) for label, found in times.items()}
    print_command()
    print(f"runs: {options.runs}; lines: FILE {sizes[0]}, FILE2 {sizes[1]}\n")
    print("| process | median s | fastest s | slowest s |\n| --- | --- | --- | --- |")
    for label, found in times.items():
        print(f"| `{label}` | {medians[label]:.2f} | {min(found):.2f} | {max(found):.2f} |")
    second = medians["codemtl repair FILE FILE2"] - medians["codemtl repair FILE"]
    print(f"| the second file in the same call | {second:.2f} | | |\n")
    bad = False
    for label, arguments in imports.items():
        loaded = _imported(arguments)
        bad |= "torch" in loaded
        print(f"{label} imports of {', '.join(HEAVY)}: {', '.join(loaded) or 'none'}")
    return int(bad)


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode not in (0, 1):  # 1: findings
        raise SystemExit(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr}")
    return elapsed


def _imported(arguments: list[str]) -> list[str]:
    """Which of the heavy packages a process imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    return [name for name in HEAVY if name in seen]


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--model", type=Path, help="a model folder; default: the shipped weights")
    parser.add_argument("--file", type=Path, help="the file to repair")
    parser.add_argument("--runs", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
