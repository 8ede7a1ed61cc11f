"""What a fine-tuning has come to so far, on disk: each stage is done once.

``OUT/finetune/state.json`` holds the request (repositories with their commits, model, time) and
the result of every finished stage with the seconds that it took, and those before Ctrl-C or an
error. A stage that is interrupted is done again; training and mining keep files of their own
and go on inside. One process works in a folder at a time: ``OUT/finetune/.lock`` is locked until
the state is closed or the process ends.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from codemtl.corpus.locks import alone
from codemtl.corpus.trees import Source
from codemtl.errors import DataError, UsageError
from codemtl.model.atomic import write_atomic

T = TypeVar("T")
FOLDER, FILE, LOCK = "finetune", "state.json", ".lock"
FORMAT = 1
SECONDS = 900.0  # the time budget where none is asked for


class State:
    """The stages of one fine-tuning."""

    def __init__(self, out: Path, values: dict[str, Any]) -> None:
        self.file = out / FOLDER / FILE
        self.values = values
        self.lock = ExitStack()
        self.newest: list[Source] = []  # the projects as they are now

    @classmethod
    def open(
        cls, out: Path, sources: list[Source], model: dict[str, str], seconds: float | None
    ) -> State:
        """The state in ``out``, or a new one.

        Once a stage is finished, what was asked for first counts: commits and time of a call that
        goes on are those of the first. Until then a new request takes its place. Raises UsageError
        if ``out`` holds something else, began with another time, or is in use.
        """
        places = [[one.project, one.kind, one.location, one.commit] for one in sources]
        asked = {
            "format": FORMAT, "sources": places, "model": model, "seconds": seconds or SECONDS,
        }  # fmt: skip
        state = cls(out, {"request": asked, "stages": {}})
        state.newest = sources
        if not state.file.exists():
            if out.exists() and (not out.is_dir() or set(os.listdir(out)) - {FOLDER}):
                raise UsageError(f"--out {out} exists and holds no fine-tuning; name a new folder")
            try:
                state.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"cannot write to --out {out}: {error.strerror}; name another"
                ) from error
            state._acquire()
            state._save()
            return state
        state._acquire()
        try:
            state._load(asked, out)
            state._check_time(seconds, out)
        except BaseException:
            state.close()
            raise
        return state

    def _load(self, asked: dict[str, Any], out: Path) -> None:
        """Read how far it has come. Raises UsageError if that is not what is asked for now."""
        try:
            self.values = json.loads(self.file.read_text("utf-8"))
            before, places = self.values["request"], [row[:3] for row in asked["sources"]]
            same = [row[:3] for row in before["sources"]] == places
            same_model = all(before[key] == asked[key] for key in ("model", "format"))
            begun = bool(self.values["stages"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{self.file} cannot be read; remove {out} to start anew") from error
        if not begun:
            if before != asked:
                self.values = {"request": asked, "stages": {}}
                self._save()
            return
        if not same:
            raise UsageError(f"--out {out} holds a fine-tuning on other code; name another --out")
        if not same_model:
            raise UsageError(f"--out {out} began with another model; name another --out")

    def _check_time(self, seconds: float | None, out: Path) -> None:
        if seconds not in (None, self.seconds):
            raise UsageError(
                f"--out {out} began with a --time-budget of {self.seconds:g} s, which stays; leave"
                " it out to go on, or name another --out"
            )

    def outdated(self) -> list[str]:
        """What should be known of commits made since the first call: they are not read."""
        known = {(one.location, one.commit) for one in self.sources}
        return [
            f"{one.project}: its commits since the first call are not read; name another --out to"
            " take them in"
            for one in self.newest
            if (one.location, one.commit) not in known
        ]

    def close(self) -> None:
        """Let another process work in the folder."""
        self.lock.close()

    @property
    def sources(self) -> list[Source]:
        """The projects, at the commits of the first call."""
        return [Source(*row) for row in self.values["request"]["sources"]]

    @property
    def seconds(self) -> float:
        """The time budget of the first call."""
        return float(self.values["request"]["seconds"])

    def stage(self, name: str, make: Callable[[], T]) -> T:
        """The result of a stage, plain values for JSON; ``make`` is called if there is none yet."""
        stages = self.values["stages"]
        if name not in stages:
            since = time.monotonic()
            try:
                result = make()
            except BaseException:
                self.values.setdefault("broken_off", {})[name] = round(
                    self.broken_off(name) + time.monotonic() - since, 1
                )
                with suppress(OSError):  # what broke it off is worth more
                    self._save()
                raise
            stages[name] = {"result": result, "seconds": round(time.monotonic() - since, 1)}
            self._save()
        found: T = stages[name]["result"]
        return found

    def spent(self, *names: str) -> float:
        """Seconds of finished stages: of those named, or of all with what was broken off."""
        stages = self.values["stages"]
        chosen = names or tuple(stages)
        seconds = sum(stages[name]["seconds"] for name in chosen if name in stages)
        return float(seconds if names else seconds + self.broken_off())

    def broken_off(self, *names: str) -> float:
        """Seconds of stages before they were interrupted: of those named, or of all."""
        lost = self.values.get("broken_off", {})
        return float(sum(lost.get(name, 0.0) for name in names or lost))

    def _acquire(self) -> None:
        out = self.file.parents[1]
        refusal = f"another process is fine-tuning into --out {out}; wait for it, or name another"
        try:
            self.lock.enter_context(alone(self.file.with_name(LOCK), refusal))
        except OSError as error:
            raise UsageError(
                f"cannot write to --out {out}: {error.strerror}; name another"
            ) from error

    def _save(self) -> None:
        write_atomic(self.file, (json.dumps(self.values) + "\n").encode())
