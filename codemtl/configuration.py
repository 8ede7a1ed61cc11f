"""Settings of the commands: ``[tool.codemtl]`` in pyproject.toml, then flags, which win.

    [tool.codemtl]
    min-confidence = 0.8
    ignore = ["literal"]
    time-budget = "15m"

Both sources go through the same checks, so that a wrong value reads the same wherever it stands.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from codemtl.errors import UsageError
from codemtl.syntax.findings import KINDS
from codemtl.syntax.results import Style

STYLES: tuple[str, ...] = get_args(Style)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")
MOST_JOBS = 1024  # threads; more are a mistake
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings; the key in pyproject.toml is the field's name with hyphens."""

    model: Path | None = None  # None: the shipped weights
    jobs: int | None = None  # CPU threads of the model; None: as many as the runtime likes
    min_confidence: float | None = None  # None: the threshold stored with the weights
    max_findings: int | None = None  # per file
    candidates: int = 1
    time_budget: float | None = None  # seconds
    select: frozenset[str] = frozenset(KINDS)
    ignore: frozenset[str] = frozenset()
    style: Style = "plain"

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of findings to show. Raises UsageError if there is none."""
        found = self.select - self.ignore
        if not found:
            raise UsageError("no kind of findings is left: see select and ignore")
        return found


def load_settings(paths: Iterable[str], flags: Mapping[str, Any]) -> Settings:
    """Settings for ``paths``; of the ``flags`` (by field name) those that are not None win."""
    values: dict[str, Any] = {}
    file = _find_pyproject(_common_folder(paths))
    if file is not None:
        for key, value in _read_table(file).items():
            name = key.replace("-", "_")
            if name not in _CHECKS:
                raise UsageError(f"{file}: [tool.codemtl] has no key {key!r}{_near(key, _KEYS)}")
            values[name] = _checked(f"{file}: {key}", name, value)
        if values.get("model") is not None:
            values["model"] = file.parent / values["model"]
    for name, value in flags.items():
        if value is not None:
            values[name] = _checked("--" + name.replace("_", "-"), name, value)
    return Settings(**values)


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with others, by the keys of pyproject.toml, in place of theirs.

    Raises UsageError.
    """
    fields = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in _CHECKS:
            raise UsageError(f"there is no {key!r}{_near(key, _KEYS)}")
        fields[name] = _checked(key, name, value)
    return replace(settings, **fields)  # type: ignore[arg-type]


def parse_duration(value: object) -> float:
    """Seconds of ``90``, ``90s``, ``15m`` or ``2h``; ValueError otherwise."""
    match = _DURATION.fullmatch(str(value).strip())
    if match is None or isinstance(value, bool):
        raise ValueError("must be a duration such as 90, 90s, 15m or 2h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds <= 0:
        raise ValueError("must be longer than nothing")
    if not math.isfinite(seconds):
        raise ValueError("must be shorter than for ever")
    return seconds


def time_budget_seconds(text: str | None) -> float | None:
    """What ``--time-budget`` says. Raises UsageError."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--time-budget {error}, not {text!r}") from error


def _probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number of at least 1")
    return value


def _jobs(value: object) -> int:
    count = _count(value)
    if count > MOST_JOBS:
        raise ValueError(f"must be at most {MOST_JOBS}")
    return count


def _kinds(value: object) -> frozenset[str]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be kinds of findings, such as comparison,literal")
    names = [name for item in items if (name := item.strip())]
    if not names and isinstance(value, str):
        raise ValueError("must name a kind of findings, such as comparison")
    for name in names:
        if name not in KINDS:
            raise ValueError(f"has no kind {name!r}{_near(name, KINDS)}")
    return frozenset(names)


def _style(value: object) -> str:
    if value not in STYLES:
        raise ValueError("must be one of " + ", ".join(STYLES))
    return str(value)


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("must be the path of a folder")
    return Path(value)


_CHECKS: dict[str, Callable[[object], object]] = {
    "model": _path,
    "jobs": _jobs,
    "min_confidence": _probability,
    "max_findings": _count,
    "candidates": _count,
    "time_budget": parse_duration,
    "select": _kinds,
    "ignore": _kinds,
    "style": _style,
}
_KEYS = tuple(name.replace("_", "-") for name in _CHECKS)


def _checked(where: str, name: str, value: object) -> object:
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        what = str(error)
        given = f", not {value!r}" if what.startswith("must") else ""
        raise UsageError(f"{where} {what}{given}") from error


def _near(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(known)}"


def _common_folder(paths: Iterable[str]) -> Path:
    folders = []
    for path in paths:
        place = Path(os.path.abspath(path.partition("::")[0]))
        folders.append(str(place if os.path.isdir(place) else place.parent))
    try:
        return Path(os.path.commonpath(folders)) if folders else Path.cwd()
    except ValueError:  # on different drives
        return Path.cwd()


def _find_pyproject(folder: Path) -> Path | None:
    """The nearest pyproject.toml with a [tool.codemtl] table, from ``folder`` upward."""
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if os.path.isfile(file) and _read_table(file):
            return file
    return None


def _read_table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("codemtl", {})
    except (OSError, ValueError, RecursionError) as error:  # ValueErrors: of TOML, of Unicode
        raise UsageError(f"{file} cannot be read: {error}") from error
    except AttributeError as error:
        raise UsageError(f"{file}: [tool] is not a table") from error
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [tool.codemtl] is not a table")
    return table
