"""Writing to standard output and standard error: lines, bytes, progress.

What others wrote (paths, code, model output) is made harmless for a terminal first.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

T = TypeVar("T")
_COLOURS = {"bold": "1", "red": "31", "green": "32", "cyan": "36"}
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def complain(message: str) -> None:
    """One line on standard error; where that takes none, the rest of the work goes on."""
    try:
        print(printable(f"codemtl: {message}"), file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError:
        forget(sys.stderr)


def forget(stream: TextIO) -> None:
    """Nobody takes what goes to a stream: keep the interpreter from complaining at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def interruptible(advice: str, checkpoints: Path | None = None) -> Iterator[None]:
    """Say on Ctrl-C how to go on; not where there are no ``checkpoints``, if these are needed.

    ``checkpoints`` lie in the folder of the run.
    """
    try:
        yield
    except KeyboardInterrupt:
        if checkpoints is not None and not any(checkpoints.glob("step-*")):
            advice = "it had not come to a checkpoint, so the same command begins anew"
            if (checkpoints.parent / "config.json").exists():  # no run begins over a model
                advice = f"{checkpoints.parent} has a model and no checkpoint; choose another --out"
        complain(f"interrupted; {advice}")
        raise


def progress(results: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass ``results`` on, with a bar on standard error if that is a terminal.

    Where results go to the same terminal they wait until the bar has gone.
    """
    if total < 2 or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    bar = track(results, label, total, console=console, transient=True)
    yield from list(bar) if sys.stdout.isatty() else bar


@contextmanager
def project_progress(label: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """What to call with (name, number done, number in all); None where no terminal shows it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def advance(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"{label} {printable(name)}")

        yield advance


def finetune_stage(stage: str) -> None:
    """Say which stage begins: a line on standard error if that is a terminal."""
    if sys.stderr.isatty():
        print(f"finetune: {stage}", file=sys.stderr)


@contextmanager
def search_progress(label: str, seconds: float) -> Iterator[Callable[[int], None] | None]:
    """What to call with the number of candidates tried; None where no terminal shows it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def advance(tried: int) -> None:
            bar.update(task, description=f"{label}: {count(tried, 'candidate')} of {seconds:.0f} s")

        yield advance


def print_line(text: str, colour: str = "") -> None:
    """One line on standard output, coloured on a terminal."""
    text = printable(text)
    if colour and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"
    print(text)


def print_json(document: Mapping[str, Any]) -> None:
    """A document, in ASCII so that any terminal and any path will do."""
    print(json.dumps(document, indent=2))


def print_bytes(data: bytes) -> None:
    """Bytes that must arrive as they are: diffs and whole files."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def percent(probability: float) -> str:
    """In whole percent, but small ones with a digit more, since there they differ most."""
    return f"{probability:.0%}" if probability >= 0.0995 else f"{probability:.1%}"


def count(number: int, noun: str) -> str:
    """``2 files``, ``1 file``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Text of others, made harmless for a terminal: no control characters, no reordering."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
