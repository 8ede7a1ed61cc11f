"""What is read off failing tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.search.failures import read_failures, source_of_tests
from codemtl.search.outcomes import Baseline, TestOutcome

PATH = Path("a.py")
TESTS = """
def test_a():
    assert f(2, 'yes') == {"no": 7.5, "long": "this text is too long to be some constant"}

class TestB:
    def test_b(self):
        assert f(True, "\\n") == 3

def test_c():
    assert 12
"""


def failing(name: str, message: str, *lines: int) -> TestOutcome:
    return TestOutcome(
        f"test_it.py::{name}", False, 0.1, trace=tuple((PATH, line) for line in lines),
        message=message,
    )  # fmt: skip


def test_errors_and_constants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test_it.py").write_text(TESTS)
    tests = (
        failing("test_a[1]", "KeyError: 'alt'", 3, 9),
        failing("TestB::test_b", "TypeError: unsupported operand: 'NoneType' and 'int'", 4),
        failing("test_gone", "pkg.errors.Wrong: because", 4),
    )
    found = read_failures(Baseline("failing", tests=tests), PATH)
    assert found.errors == {9: {"KeyError"}, 4: {"NoneType", "Wrong"}}
    assert found.constants == (2, "yes", "no", "long", 7.5, 3) and not found.missing
    assert found.factor("get", 9) > 1 == found.factor("get", 3) == found.factor("integer", 9)
    assert "TestB" in source_of_tests(Baseline("failing", tests=tests))


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ("Failed: DID NOT RAISE ValueError", ("ValueError",)),
        ("Failed: DID NOT RAISE <class 'pkg.errors.Wrong'>", ("Wrong",)),
        ("Failed: DID NOT RAISE any of (<class 'KeyError'>, <class 'OSError'>)",
         ("KeyError", "OSError")),
        ("AssertionError: ValueError not raised", ("ValueError",)),
        ("AssertionError: 1 == 2", ()),
    ],
)  # fmt: skip
def test_errors_that_did_not_come(message: str, missing: tuple[str, ...]) -> None:
    found = read_failures(Baseline("failing", tests=(failing("test_a", message),)), PATH)
    assert found.missing == missing and not found.errors and not found.constants
