"""What the failing tests say of the mistake: the errors that came, and where; those that a test
waited for in vain; the constants that it speaks of.

All of it only moves candidates forward: what a test says may have many causes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codemtl.search.outcomes import Baseline, TestOutcome

MAX_CONSTANTS, MAX_TEXT = 16, 24  # constants of failing tests, and characters of one
_NONE = "NoneType"  # an error that names it has more to do with None than with its kind
_ABSENT: Mapping[str, float] = {
    "guard": 4.0, "insert-return": 4.0, "add-condition": 3.0, "none-test": 3.0, "insert-exit": 3.0,
}  # fmt: skip
FACTORS: Mapping[str, Mapping[str, float]] = {  # error → rule → factor where it was raised
    "KeyError": {"get": 8.0, "text": 2.0, "guard": 2.0, "insert-exit": 2.0, "exception": 2.0},
    "IndexError": {
        "index": 2.0, "integer": 2.0, "offset": 2.0, "range": 2.0, "comparison": 2.0,
        "guard": 2.0, "insert-return": 2.0, "add-condition": 2.0,
    },
    "AttributeError": {
        "attribute": 4.0, "called-with": 4.0, "function": 4.0, "name": 2.0, "wrap": 2.0,
        "guard": 2.0,
    },
    "TypeError": {
        "parentheses": 3.0, "uncalled": 6.0, "called-with": 3.0,
        "drop-argument": 3.0, "add-argument": 3.0, "wrap": 2.0, "suffix": 2.0,
        "guard": 2.0, "insert-return": 2.0,
    },
    "NameError": {"name": 4.0, "of-self": 4.0, "copy": 2.0, "move": 2.0},
    "UnboundLocalError": {"insert-update": 4.0, "copy": 4.0, "move": 3.0, "reindent": 3.0},
    "ZeroDivisionError": {"guard": 4.0, "insert-return": 4.0, "add-condition": 2.0},
    "RecursionError": {"insert-return": 3.0, "guard": 2.0, "comparison": 2.0},
    "ValueError": {"guard": 2.0, "wrap": 2.0, "insert-return": 2.0, "insert-exit": 2.0},
    _NONE: _ABSENT,
}  # fmt: skip
_KIND = re.compile(r"([A-Za-z_][\w.]*)\s*(?::|\Z)")
_IN_VAIN = re.compile(r"DID NOT RAISE (.*)|AssertionError: (.*) not raised")  # pytest, unittest
_NAME = re.compile(r"(?:\w+\.)*([A-Z]\w*)")


@dataclass(frozen=True, slots=True)
class Failures:
    """Of one file; lines are 1-based."""

    errors: Mapping[int, frozenset[str]] = field(default_factory=dict)  # raised in this line
    missing: tuple[str, ...] = ()  # errors that tests expect and that did not come
    constants: tuple[str | int | float, ...] = ()  # of the failing tests

    def factor(self, rule: str, line: int) -> float:
        """How much more probable edits of a rule are in a line."""
        return max(
            (FACTORS.get(error, {}).get(rule, 1.0) for error in self.errors.get(line, ())),
            default=1.0,
        )


SILENT = Failures()


def read_failures(baseline: Baseline, path: Path) -> Failures:
    """What a baseline's failing tests say about a file."""
    errors: dict[int, set[str]] = {}
    missing: dict[str, None] = {}
    for test in baseline.failing:
        here = [line for where, line in test.trace if where == path]
        kind = _kind(test.message)
        if here and kind:
            errors.setdefault(here[-1], set()).add(kind)
        waited = _IN_VAIN.search(test.message)
        if waited:
            missing.update(dict.fromkeys(_NAME.findall(waited[1] or waited[2])))
    constants = dict.fromkeys(one for test in baseline.failing[:8] for one in _constants(test))
    return Failures(
        {line: frozenset(kinds) for line, kinds in errors.items()},
        tuple(missing), tuple(constants)[:MAX_CONSTANTS],
    )  # fmt: skip


def source_of_tests(baseline: Baseline) -> str:
    """The source of the failing tests' files, as far as they can be read."""
    names = {test.id.partition("::")[0] for test in baseline.failing}
    return "\n".join(_read(name) for name in sorted(names))


def _read(name: str) -> str:
    try:
        return Path(name).read_text("utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _kind(message: str) -> str:
    if _NONE in message:
        return _NONE
    match = _KIND.match(message)
    return match[1].rpartition(".")[2] if match else ""


def _constants(test: TestOutcome) -> Iterator[str | int | float]:
    """Short texts and numbers of a test's function."""
    file, _, rest = test.id.partition("::")
    name = rest.partition("[")[0].rpartition("::")[2]
    try:
        tree = ast.parse(_read(file)) if name else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name == name:
            for node in ast.walk(function):
                value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, str):
                    short = 0 < len(value) <= MAX_TEXT and value.isprintable()
                    yield from (value,) if short else ()
                elif isinstance(value, int | float) and not isinstance(value, bool):
                    yield value
