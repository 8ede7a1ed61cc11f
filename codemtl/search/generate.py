"""``generate --test CMD``: of what the model writes, that which makes the tests pass."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from codemtl.errors import EditError, UsageError
from codemtl.search.pool import Validator
from codemtl.syntax.files import SourceFile
from codemtl.syntax.results import Candidate, Generated

SECONDS = 60.0


def accepted(
    result: Generated,
    command: str,
    *,
    candidates: int,
    seconds: float | None = None,
    jobs: int = 2,
    accept: Callable[[str], None] = lambda warning: None,
) -> Generated:
    """The same request with only the candidates that pass, at most ``candidates`` of them.

    Raises UsageError if the texts go nowhere, so that no test can see them.
    """
    if result.path is None or not Path(result.path).is_file():
        raise UsageError(f"{result.path or 'a text'} is no file, so no test can see it")
    path = Path(result.path)
    source = SourceFile.read(path)
    passed: dict[int, Candidate] = {}
    failed = 0
    with Validator(command, [path], jobs=jobs, budget=seconds or SECONDS) as validator:
        accept("" if validator.protection.strong else validator.protection.text)
        baseline = validator.baseline()
        if baseline.status == "error":
            raise UsageError(baseline.message)
        if baseline.status == "passing":
            raise UsageError(
                f"--test {command!r}: the tests pass as the file is, so they cannot tell good "
                "candidates from bad ones; name tests that fail, or leave --test out"
            )
        deadline = time.monotonic() + (seconds or SECONDS)
        waiting = deque(enumerate(result.candidates))
        pending: dict[int, Candidate] = {}
        while (waiting or pending) and time.monotonic() < deadline:
            while waiting and validator.capacity > 0:
                key, one = waiting.popleft()
                try:
                    raw = source.encode(one.patched or source.data)
                except EditError:
                    failed += 1
                    continue
                pending[key] = one
                validator.submit(key, path, raw)
            if not pending:
                continue
            for key, verdict in validator.wait(max(0.0, deadline - time.monotonic())):
                one = pending.pop(key)
                if verdict.status == "passed":
                    passed[key] = one
                else:
                    failed += 1
    result.candidates = [passed[key] for key in sorted(passed)][:candidates]
    result.failed, result.untested = failed, len(waiting) + len(pending)
    return result
