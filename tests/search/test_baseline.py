"""What the user's command says of the code as it is, in every way that it can go."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from codemtl.search import baseline as recording
from codemtl.search.outcomes import WHOLE_COMMAND, Baseline
from codemtl.search.pool import Validator

from .conftest import BUGGY, FIXED, PYTEST, TEST, Make, tree_hash


def run(command: str, target: str = "calc.py", timeout: float | None = 60) -> Baseline:
    root = Path.cwd()
    before = tree_hash(root)
    with Validator(command, [Path(target)], jobs=1, timeout=timeout) as validator:
        found = validator.baseline()
    assert tree_hash(root) == before
    return found


def test_passing(project: Make) -> None:
    project({"calc.py": FIXED.decode(), "test_calc.py": TEST})
    assert run(PYTEST).status == "passing"


def test_failing(project: Make) -> None:
    root = project({
        "calc.py": BUGGY + "\n\ndef twice(a):\n    return [a,\n        1 / a]\n",
        "test_calc.py": TEST + "\n\ndef test_zero():\n    from calc import twice\n    twice(1)\n"
        "    twice(0)\n\n\ndef test_fine():\n    assert add(1, 0) == 1\n",
    })  # fmt: skip
    found = run(PYTEST)
    assert found.status == "failing"
    tests = {test.id.rpartition("::")[2]: test for test in found.tests}
    assert {name: test.passed for name, test in tests.items()} == {
        "test_add": False, "test_zero": False, "test_fine": True,
    }  # fmt: skip
    calc = root / "calc.py"
    assert 2 in tests["test_add"].lines[calc]
    assert 7 not in tests["test_add"].lines[calc]
    assert 7 in tests["test_zero"].lines[calc]
    assert tests["test_zero"].trace == ((calc, 7),)
    assert tests["test_zero"].message == "ZeroDivisionError: division by zero"
    assert (tests["test_add"].progress, tests["test_zero"].progress) == (5, 11)
    assert tests["test_add"].message == "assert -1 == 3"


def test_what_processes_of_the_tests_run(project: Make) -> None:
    """Each test is told apart, though none of them runs the target itself."""
    root = project({
        "calc.py": BUGGY + "\n\ndef twice(a):\n    return 2 * a\n",
        "test_calc.py": "import subprocess, sys\nimport calc\n\ndef ask(code):\n"
        "    code = f'import calc; print(calc.{code})'\n"
        "    return int(subprocess.check_output([sys.executable, '-c', code]))\n\n"
        "def test_add():\n    assert ask('add(1, 2)') == 3\n\n"
        "def test_twice():\n    assert ask('twice(2)') == 4\n\n"
        "def test_other():\n    assert calc\n",
    })  # fmt: skip
    found = run(PYTEST)
    assert found.status == "failing", found.message
    lines = {test.id.rpartition("::")[2]: test.lines[root / "calc.py"] for test in found.tests}
    body = frozenset({2, 6})
    assert {name: body & run for name, run in lines.items()} == {
        "test_add": {2}, "test_twice": {6}, "test_other": frozenset(),
    }  # fmt: skip


def test_a_test_that_never_ends_in_the_target(project: Make) -> None:
    root = project({
        "calc.py": "def add(a, b):\n    while True:\n        a += 1\n",
        "test_calc.py": TEST + "\n\ndef test_other():\n    pass\n",
    })  # fmt: skip
    found = run(PYTEST, timeout=12)
    assert found.status == "failing"
    (failing,) = found.failing
    assert failing.timed_out
    assert failing.trace[0][0] == root / "calc.py"
    assert failing.trace[0][1] in (2, 3)
    assert {2, 3} <= failing.lines[root / "calc.py"]
    assert len(found.tests) == 2


def test_a_test_that_hangs_in_c_code_of_the_target(project: Make) -> None:
    project({
        "calc.py": "import itertools\n\ndef add(a, b):\n    return sum(itertools.repeat(1))\n",
        "test_calc.py": TEST + "\n\ndef test_other():\n    pass\n",
    })  # fmt: skip
    with Validator(PYTEST, [Path("calc.py")], jobs=1) as validator:
        found = validator.baseline()
        assert found.status == "failing", found.message
        (failing,) = found.failing
        assert failing.timed_out
        assert failing.trace[0][1] == 4
        assert len(found.tests) == 2
        validator.submit(1, Path("calc.py"), FIXED)
        assert validator.wait()[0][1].status == "passed"


def test_a_command_that_hangs_elsewhere(project: Make) -> None:
    project({"calc.py": BUGGY, "test_calc.py": "import time\nimport calc\ntime.sleep(1000)\n"})
    found = run(PYTEST, timeout=6)
    assert found.status == "error"
    assert "did not end within 6 seconds" in found.message
    assert "test_calc.py" in found.message


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-command-at-all --x", "cannot start"),
        (f"{PYTEST} no_such_test.py", "no_such_test.py"),
        (f"{PYTEST} --no-such-option", "--no-such-option"),
        (f"{PYTEST} -k nothing_has_this_name", "ran no tests"),
    ],
)
def test_commands_that_cannot_run(project: Make, command: str, says: str) -> None:
    project({"calc.py": BUGGY, "test_calc.py": TEST})
    found = run(command)
    assert found.status == "error"
    assert says in found.message


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"test_calc.py": "import calc\ndef test_a(no_fixture):\n    pass\n"}, "no_fixture"),
        ({"test_calc.py": "import not_there_at_all\n"}, "not_there_at_all"),
        ({"test_calc.py": "def test_a(:\n"}, "SyntaxError|invalid syntax"),
        ({"conftest.py": "import not_there_at_all\n", "test_calc.py": TEST}, "not_there_at_all"),
        ({"test_calc.py": "def test_a():\n    assert 1 == 2\n"}, "no failing test runs calc.py"),
    ],
)  # fmt: skip
def test_failures_whose_cause_lies_elsewhere(
    project: Make, files: dict[str, str], says: str
) -> None:
    project({"calc.py": BUGGY, **files})
    found = run(PYTEST)
    assert found.status == "error", found
    assert re.search(says, found.message), found.message


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("x = undefined_name\n" + BUGGY, "NameError: name 'undefined_name' is not defined", 1),
        ("def add(a, b)\n    return a\n", "SyntaxError", None),
        ("def ad(a, b):\n    return a\n", "cannot import name 'add'", None),
    ],
)
def test_an_import_error_in_the_target_is_a_search_case(
    project: Make, source: str, message: str, line: int | None
) -> None:
    root = project({"calc.py": source, "test_calc.py": TEST})
    with Validator(PYTEST, [Path("calc.py")], jobs=1) as validator:
        found = validator.baseline()
        assert found.status == "failing", found.message
        (failing,) = found.failing
        assert failing.id == "test_calc.py"
        assert message in failing.message
        if line is not None:
            assert failing.trace == ((root / "calc.py", line),)
        validator.submit(1, Path("calc.py"), FIXED)
        validator.submit(2, Path("calc.py"), BUGGY.encode())
        verdicts = dict(validator.wait() + validator.wait())
    assert (verdicts[1].status, verdicts[2].status) == ("passed", "failed")


@pytest.mark.parametrize("place", ["test_calc.py", "conftest.py"])
def test_an_assertion_outside_of_tests_is_a_search_case(project: Make, place: str) -> None:
    asserted = "import calc\nassert calc.add(1, 2) == 3\ndef test_it():\n    pass\n"
    project({"calc.py": BUGGY, "test_calc.py": TEST, place: asserted})
    with Validator(PYTEST, [Path("calc.py")], jobs=1) as validator:
        found = validator.baseline()
        assert found.status == "failing", found.message
        validator.submit(1, Path("calc.py"), FIXED)
        validator.submit(2, Path("calc.py"), BUGGY.encode())
        verdicts = dict(validator.wait() + validator.wait())
    assert (verdicts[1].status, verdicts[2].status) == ("passed", "failed")


def test_an_arbitrary_command(project: Make) -> None:
    root = project({"calc.py": BUGGY, "check.py": "import calc\nassert calc.add(1, 2) == 3\n"})
    found = run(f"{sys.executable} check.py")
    assert found.status == "failing", found.message
    (failing,) = found.failing
    assert failing.id == WHOLE_COMMAND
    assert 2 in failing.lines[root / "calc.py"]
    assert failing.message == "AssertionError"


def test_an_arbitrary_command_that_never_ends(project: Make) -> None:
    root = project({
        "calc.py": "def add(a, b):\n    while True:\n        a += 1\n",
        "check.py": "import calc\nassert calc.add(1, 2) == 3\n",
    })  # fmt: skip
    found = run(f"{sys.executable} check.py", timeout=3)
    assert found.status == "failing", found.message
    (failing,) = found.failing
    assert failing.timed_out
    assert failing.trace[0][0] == root / "calc.py"
    assert 3 in failing.lines[root / "calc.py"]


def test_a_command_that_never_ends_takes_no_longer_than_the_search(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    project({
        "calc.py": "def add(a, b):\n    while a:\n        b += 1\n    return b\n",
        "check.py": "import calc\nassert calc.add(1, 2) == 3\n",
    })  # fmt: skip
    monkeypatch.setattr(recording, "COMMAND_SECONDS", 1.0)
    command = f"{sys.executable} check.py"
    with Validator(command, [Path("calc.py")], jobs=1, budget=3.0) as validator:
        found = validator.baseline()
        assert found.failing[0].message == "stopped after 3 seconds"
        fixed = b"def add(a, b):\n    return a + b\n"
        validator.submit(1, Path("calc.py"), b"def add(a, b):\n    while True: pass\n")
        ((_, verdict),) = validator.wait(60)
        assert verdict.status == "timeout"
        assert verdict.seconds < 8
        validator.submit(2, Path("calc.py"), fixed)
        assert [one.status for _, one in validator.wait(60)] == ["passed"]


def test_the_first_server_starts_while_the_model_is_loaded(project: Make) -> None:
    project({"calc.py": BUGGY, "test_calc.py": TEST})
    with Validator(PYTEST, [Path("calc.py")], jobs=1) as validator:
        validator.baseline()
        (early,) = validator._place.workers
        validator.submit(1, Path("calc.py"), FIXED)
        assert validator._place.workers == [early]
        assert [one.status for _, one in validator.wait(60)] == ["passed"]
