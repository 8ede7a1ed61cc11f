"""The temporary folder of one validation: private copies, byte code, and what it all belongs to."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from codemtl import ending
from codemtl.errors import UsageError
from codemtl.search import private_copy, sandbox
from codemtl.search.child.jail import remove
from codemtl.search.commands import Command, Interpreter
from codemtl.search.worker import Worker

HOOK = str(sandbox.CHILD / "hook")  # of any Python that finds it on its PYTHONPATH


class Workplace:
    """Starts sandboxed processes, and removes every trace of them."""

    def __init__(self, command: Command, targets: Sequence[Path], way: sandbox.Way) -> None:
        self.command, self.way = command, way
        self.workers: list[Worker] = []
        self.targets = tuple(path.resolve() for path in targets)
        self.folder = Path(tempfile.mkdtemp(prefix=private_copy.OURS)).resolve()
        atexit.register(self.close)  # for a Ctrl-C that comes while another is dealt with
        self.name = self.folder.name
        self.byte_code = self.folder / "byte-code"
        self.coverage = self.folder / "coverage"
        for one in (self.byte_code, self.coverage):
            one.mkdir()
        _expose("coverage", self.coverage)
        self.parts: private_copy.Parts | None = None
        self.too_large: UsageError | None = None
        try:
            self.parts = private_copy.survey(command.root)
        except UsageError as error:
            self.too_large = error
            if way != "bwrap":
                self.close()
                raise
        self._copies = 0

    def view(self, writable: bool, record: bool = False) -> sandbox.View:
        """What a new process sees; ``writable`` gives it a private copy of the tree."""
        root = self.command.root
        self._copies += 1
        scratch = self.folder / f"scratch-{self._copies}"
        scratch.mkdir()
        copy: Path | None = None
        keep: tuple[Path, ...] = ()
        if writable or self.way != "bwrap":
            if self.parts is None:
                assert self.too_large is not None
                raise self.too_large
            copy = self.folder / f"copy-{self._copies}"
            private_copy.copy(root, self.parts, copy, links=self.way != "bwrap")
            keep = tuple(root / one for one in self.parts.apart)
        python = self.command.interpreter
        return sandbox.View(
            root, copy, keep,
            readable=(
                *sandbox.readable(python.prefixes if python else ()), self.coverage, self.byte_code,
                *self.targets,
            ),
            writable=(self.byte_code,) if record else (),
            scratch=scratch,
        )  # fmt: skip

    def seen(self, view: sandbox.View, path: Path) -> str:
        """Where a path of the user's lies for a process with this view."""
        return str(sandbox.seen_at(self.way, view, path))

    def user_path(self, view: sandbox.View, path: str) -> Path:
        """The way back."""
        found = Path(path)
        if self.way != "bwrap" and view.copy is not None and found.is_relative_to(view.copy):
            return view.root / found.relative_to(view.copy)
        return found

    def as_user_knows(self, view: sandbox.View, text: str) -> str:
        """What a process with this view says, with the user's paths in place of its own."""
        if self.way == "bwrap" or view.copy is None:
            return text
        return text.replace(str(view.copy), str(view.root))

    def setup(self, view: sandbox.View, role: str, **more: Any) -> dict[str, Any]:
        """What every sandboxed process must know."""
        command, way = self.command, self.way
        root, copied = str(command.root), view.copy
        arguments = list(command.arguments)
        if way != "bwrap" and copied is not None:  # the copy lies elsewhere
            named = re.compile(rf"(?<![\w./-]){re.escape(root)}(?![\w.-])")
            arguments = [named.sub(lambda _: str(copied), one) for one in arguments]
        return {
            "role": role,
            "root": self.seen(view, command.root),
            "folder": self.seen(view, command.folder),
            "targets": [self.seen(view, path) for path in self.targets],
            "arguments": arguments,
            "as_module": command.as_module,
            "byte_code": str(self.byte_code),
            "coverage": str(self.coverage),
            "limits": sandbox.limits(way),
            "own_processes": way != "limits",
            "own_files": way == "bwrap",
            "outer_processes": os.readlink("/proc/self/ns/pid"),
            "moved": self._moved(view),
            "original": str(sandbox.original_of(way, view)) if copied is not None else "",
            "keep": self._apart(),
            **more,
        }

    def _moved(self, view: sandbox.View) -> list[Any] | None:
        """The arguments of ``child.relocate.Moved``; None where the copy takes the tree's place."""
        if self.way == "bwrap" or view.copy is None:
            return None
        return [str(self.command.root), str(view.copy), self._apart()]

    def _apart(self) -> list[str]:
        return [str(one) for one in self.parts.apart] if self.parts else []

    def _place_imports(self, environment: dict[str, str], view: sandbox.View) -> None:
        """Make PYTHONPATH independent of the folder that Python is started in."""
        own = environment.get("PYTHONPATH")
        if own:
            folder = self.command.folder
            places = [Path(os.path.normpath(folder / one)) for one in own.split(os.pathsep)]
            seen = [self.seen(view, one) for one in places]
            environment["PYTHONPATH"] = os.pathsep.join(seen)

    def start(
        self, view: sandbox.View, setup: dict[str, Any], output: IO[bytes] | None = None
    ) -> Worker:
        """Start a sandboxed process under the interpreter of the tests."""
        environment = sandbox.environment(self.way, view, self.name)
        environment.update(self.command.environment)
        self._place_imports(environment, view)
        return self._launch(view, self.command.interpreter, environment, setup, output)

    def start_command(self, view: sandbox.View, hook: Path | None = None) -> Worker:
        """Start a process that runs the whole command; ``hook`` gathers what Python ran."""
        environment = sandbox.environment(self.way, view, self.name)
        self._place_imports(environment, view)
        moved = self._moved(view)
        if hook is not None or moved is not None:
            own = environment.get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join([HOOK, own] if own else [HOOK])
        if moved is not None:
            environment["CODEMTL_MOVED"] = json.dumps(moved)
            environment["PYTHONDONTWRITEBYTECODE"] = "1"  # .pth files import before we can move it
        if hook is not None:
            environment |= self.hook(view, hook)
        setup = self.setup(view, "command", command=self.command.text)
        return self._launch(view, None, environment, setup)

    def _launch(
        self, view: sandbox.View, python: Interpreter | None, environment: dict[str, str],
        setup: dict[str, Any], output: IO[bytes] | None = None,
    ) -> Worker:  # fmt: skip
        worker = Worker(view)
        self.workers.append(worker)
        worker.start(self.way, python, environment, setup, output)
        return worker

    def hook(self, view: sandbox.View, out: Path) -> dict[str, str]:
        """What the hook is told by the environment; it gathers in a folder what Python ran."""
        return {
            "CODEMTL_TARGETS": json.dumps([self.seen(view, path) for path in self.targets]),
            "CODEMTL_HOOK_DATA": str(out),
            "CODEMTL_COVERAGE": str(self.coverage),
        }

    def hooked(
        self, view: sandbox.View, hook: Path
    ) -> tuple[dict[Path, frozenset[int]], tuple[tuple[Path, int], ...]]:
        """What the hook gathered: lines run, and where the program was when it was stopped."""
        lines: dict[Path, frozenset[int]] = {}
        trace: tuple[tuple[Path, int], ...] = ()
        for one in sorted(hook.iterdir()):
            with suppress(OSError, ValueError, KeyError, TypeError):
                said = json.loads(one.read_text("utf-8"))
                for name, numbers in said["lines"].items():
                    path = self.user_path(view, name)
                    lines[path] = lines.get(path, frozenset()) | frozenset(numbers)
                if said["trace"]:
                    trace = tuple((self.user_path(view, file), at) for file, at in said["trace"])
        return lines, trace

    def discard(self, worker: Worker) -> None:
        """End a process and remove what belonged to it."""
        self.end(worker)
        self.drop(worker.view)

    def end(self, worker: Worker) -> None:
        """End a process; others may still need its view."""
        worker.kill()
        if worker in self.workers:
            self.workers.remove(worker)

    def drop(self, view: sandbox.View) -> None:
        """Remove the folders that were made for a view."""
        for one in (view.copy, view.scratch):
            if one is not None and one.is_relative_to(self.folder):
                remove(one)

    def close(self) -> None:
        """End all processes; remove the folder."""
        with _undisturbed():
            for worker in self.workers:
                worker.kill()
            if self.way == "limits":
                _kill_marked(self.name)
            remove(self.folder)
            atexit.unregister(self.close)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait until the block is over."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *ending.SIGNALS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _expose(package: str, folder: Path) -> None:
    """Make one package of our environment importable from a folder, and nothing else of it."""
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        shutil.copytree(
            next(iter(spec.submodule_search_locations)), folder / package,
            ignore=shutil.ignore_patterns("__pycache__", "htmlfiles"),
        )  # fmt: skip


def _kill_marked(name: str) -> None:
    """Without a process namespace: end what carries our mark in its environment."""
    mark = f"{sandbox.MARK}={name}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
