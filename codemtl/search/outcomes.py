"""What running the user's tests says: the common language of validation and search.

A baseline holds one outcome a test as the code stands; a verdict is what one candidate earned.
Lines are 1-based and those of the file on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

WHOLE_COMMAND = "(the whole command)"  # the id of the one "test" of a command that is not pytest

BaselineStatus = Literal["passing", "failing", "error"]
VerdictStatus = Literal["passed", "failed", "timeout", "crashed"]


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """One test as the code stands."""

    __test__ = False  # pytest must not collect this class

    id: str  # pytest's node id, or WHOLE_COMMAND
    passed: bool
    seconds: float
    lines: Mapping[Path, frozenset[int]] = field(default_factory=dict)  # run, per target file
    # Lines of target files on the stack when it failed or was stopped, outermost first.
    trace: tuple[tuple[Path, int], ...] = ()
    message: str = ""  # the last line of the failure
    progress: int = 0  # line of the test file where it failed: how far it came
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """The test command, run once on the code as it is.

    ``error`` means that no search makes sense: the command cannot start, hangs, or fails for a
    reason outside the target files; ``message`` then says what happened and the way out.
    """

    status: BaselineStatus
    message: str = ""
    tests: tuple[TestOutcome, ...] = ()
    seconds: float = 0.0

    @property
    def failing(self) -> tuple[TestOutcome, ...]:
        """The tests that fail."""
        return tuple(test for test in self.tests if not test.passed)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests say of one candidate; only ``passed`` is good.

    ``fixed`` and ``progress`` tell how near a failed one came: of the tests that failed before,
    how many pass now, and the line of the test file where the first of the others stopped.
    """

    status: VerdictStatus
    fixed: int = 0
    progress: int = 0
    message: str = ""  # the last line of the first failure
    seconds: float = 0.0
