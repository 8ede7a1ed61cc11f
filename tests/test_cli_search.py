"""``repair --test`` and ``generate --test`` as a user meets them, with real tests in a sandbox."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codemtl.cli_search import UNPROTECTED_VARIABLE
from codemtl.inference.fake import FakePredictor
from codemtl.search import sandbox
from codemtl.search.sandbox import Protection
from tests.conftest import Outcome

Run = Callable[..., Outcome]
PYTEST = f"{sys.executable} -m pytest -q"
CHECK = f"{sys.executable} -c 'import a; assert a.double(2) == 4'"
BROKEN = "def double(x):\n    return x + 1\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bug and a test that shows it, as current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(UNPROTECTED_VARIABLE, "1")
    (tmp_path / "a.py").write_text(BROKEN)
    (tmp_path / "test_a.py").write_text(
        "from a import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
        "    assert double(5) == 10\n"
    )
    return tmp_path


def test_a_patch_is_shown_and_not_written(run: Run, project: Path) -> None:
    outcome = run("repair", "a.py", "--test", PYTEST)
    assert outcome.code == 1
    assert "test_a.py::test_double now passes" in outcome.out
    assert "-    return x + 1" in outcome.out
    assert (project / "a.py").read_text() == BROKEN
    assert sorted(one.name for one in project.iterdir()) == ["a.py", "test_a.py"]


def test_a_patch_is_written_and_then_all_is_well(run: Run, project: Path) -> None:
    outcome = run("repair", "a.py", "--test", PYTEST, "--write")
    assert outcome.code == 0
    assert "wrote a.py" in outcome.out
    assert (project / "a.py").read_text() != BROKEN
    again = run("repair", "a.py", "--test", PYTEST)
    assert again.code == 0
    assert "the tests pass as it is" in again.out


def test_json_and_alternatives(run: Run, project: Path) -> None:
    outcome = run("repair", "a.py", "--test", PYTEST, "--format", "json", "--candidates", "2")
    document = json.loads(outcome.out)
    (file,) = document["files"]
    assert file["patch"]["status"] == "fixed"
    assert file["patch"]["candidates_tried"] > 0
    assert file["patch"]["diff"].startswith("--- a/a.py\n+++ b/a.py\n")
    assert all(one["validated"] is True for one in file["findings"])
    assert file["findings"][0]["line"] == 2


def test_of_several_files_one_is_repaired(run: Run, project: Path) -> None:
    (project / "b.py").write_text("def other(x):\n    return x\n")
    outcome = run("repair", "a.py", "b.py", "--test", PYTEST, "--write")
    assert outcome.code == 0
    assert "wrote a.py" in outcome.out
    assert "b.py" not in outcome.out


def test_a_failing_test_is_not_what_is_changed(run: Run, project: Path) -> None:
    test = (project / "test_a.py").read_text()
    outcome = run("repair", ".", "--test", PYTEST, "--write")
    assert outcome.code == 0
    assert (project / "test_a.py").read_text() == test
    assert (project / "a.py").read_text() != BROKEN
    (project / "a.py").write_text("def double(x):\n    return x * 2\n")
    (project / "test_a.py").write_text(test.replace("4", "5"))
    outcome = run("repair", "test_a.py", "--test", PYTEST)  # named alone it is
    assert "test_a.py::test_double now passes" in outcome.out


def test_any_command_will_do(run: Run, project: Path) -> None:
    outcome = run("repair", "a.py::double", "--test", CHECK, "--diff")
    assert outcome.code == 1
    assert outcome.out.startswith("--- a/a.py\n")


def test_tests_that_nothing_can_please(run: Run, project: Path) -> None:
    (project / "test_a.py").write_text(
        "from a import double\n\n\ndef test_double():\n    double(2)\n    assert False\n"
    )
    outcome = run("repair", "a.py", "--test", PYTEST, "--time-budget", "3s")
    assert outcome.code == 1
    assert "not fixed: none of" in outcome.out
    assert run("repair", "a.py", "--test", PYTEST, "--time-budget", "3s", "--check").out == (
        "a.py: not fixed\n"
    )


def test_bugs_in_two_files_are_repaired_together(run: Run, project: Path) -> None:
    two_bugs(project, "half(6) == 3")
    shown = run("repair", "a.py", "b.py", "--test", PYTEST, "--diff")
    assert shown.out.count("+++ b/a.py") == shown.out.count("+++ b/b.py") == 1
    outcome = run("repair", "a.py", "b.py", "--test", PYTEST, "--write")
    assert outcome.code == 0
    assert "wrote a.py" in outcome.out and "wrote b.py" in outcome.out
    assert outcome.out.count("test_a.py::test_double, test_a.py::test_half now pass") == 2
    assert run("repair", "a.py", "b.py", "--test", PYTEST).out.startswith("2 files: the tests pass")


def test_where_nothing_mends_all_tests_it_says_what_mends_one(run: Run, project: Path) -> None:
    two_bugs(project, "half(6) and False")
    outcome = run("repair", "a.py", "b.py", "--test", PYTEST, "--time-budget", "3s")
    assert outcome.code == 1
    assert "not fixed: none of" in outcome.out
    assert re.search(r"; '.+'( to '.+')? in line 2 of [ab]\.py mends 1 of 2 \(", outcome.out)


def two_bugs(project: Path, check: str) -> None:
    (project / "b.py").write_text("def half(x):\n    return x * 2\n")
    test = (project / "test_a.py").read_text()
    later = "\n\ndef test_half():\n    time.sleep(0.2)\n"  # the quickest test comes first
    more = f"{later}    assert {check}\n"
    (project / "test_a.py").write_text("import time\n\nfrom b import half\n" + test + more)


def test_a_change_outside_of_functions_is_taken_back(run: Run, project: Path) -> None:
    good = "def double(x):\n    return x * 2\n"
    (project / "a.py").write_text(good)
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin."]):
        subprocess.run([*git, *command], check=True)
    (project / "a.py").write_text("import nothing_like_it\n" + good)
    assert run("repair", "a.py", "--test", PYTEST, "--write").code == 0
    assert (project / "a.py").read_text() == good
    (project / "a.py").write_text("def other(x):\n    return x\n")  # the function has gone
    assert run("repair", "a.py", "--test", PYTEST, "--write").code == 0
    assert (project / "a.py").read_text() == good
    (project / "a.py").write_text("import nothing_like_it\n# other\n" + good)
    outcome = run("repair", "a.py::double", "--test", PYTEST)
    assert outcome.code == 1
    assert "belongs to no function that can be searched" in outcome.out


def test_code_that_no_failing_test_runs(run: Run, project: Path) -> None:
    (project / "b.py").write_text("def other(x):\n    return x\n")
    outcome = run("repair", "b.py", "--test", PYTEST)
    assert outcome.code == 2
    assert "no failing test runs b.py" in outcome.err


def test_what_is_true_of_all_files_is_said_once(run: Run, project: Path) -> None:
    (project / "b.py").write_text("def other(x):\n    return x\n")
    wrong = run("repair", "a.py", "b.py", "--test", f"{PYTEST} test_a.py::nope")
    assert wrong.code == 2
    assert wrong.err.count(" cannot run: ") == 1
    assert "codemtl: 2 files: --test " in wrong.err
    assert f"{project}/test_a.py::nope" in wrong.err  # not where a copy lay
    (project / "test_a.py").write_text("import a\n\n\ndef test_a():\n    pass\n")
    right = run("repair", "a.py", "b.py", "--test", PYTEST)
    assert right.code == 0
    assert right.out.startswith("2 files: the tests pass as it is; nothing was changed\n")
    assert right.out.count("\n") == 2
    nothing = run("repair", "a.py", "b.py", "--test", PYTEST, "--diff")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err.endswith("codemtl: 2 files: the tests pass as it is; nothing was changed\n")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import no_such_module\n" + BROKEN,
            "No module named 'no_such_module'",
        ),
        (BROKEN + "def other(:\n    pass\n", "SyntaxError"),
    ],
)
def test_what_keeps_a_file_from_being_imported_is_told(
    run: Run, project: Path, source: str, said: str
) -> None:
    (project / "a.py").write_text(source)
    outcome = run("repair", "a.py", "--test", PYTEST)
    assert outcome.code == 1
    assert f"line {3 if 'other' in source else 1}, where test_a.py stops" in outcome.out
    assert said in outcome.out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-command-here", "no-such-command-here"),
        (f"{PYTEST} missing.py", "missing.py"),
        ("", "--test"),
        ("pytest 'open", "--test"),
    ],
)
def test_commands_that_cannot_run(run: Run, project: Path, command: str, said: str) -> None:
    outcome = run("repair", "a.py", "--test", command)
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_standard_input_has_no_tests(run: Run, project: Path) -> None:
    outcome = run("repair", "-", "--test", PYTEST, stdin=b"x = 1\n")
    assert outcome.code == 2
    assert "--test needs files" in outcome.err


def test_one_bad_file_does_not_stop_the_others(run: Run, project: Path) -> None:
    outcome = run("repair", "a.py", "nowhere.py", "--test", PYTEST)
    assert outcome.code == 2
    assert "now passes" in outcome.out
    assert "nowhere.py" in outcome.err


def test_nothing_runs_unprotected_without_leave(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(UNPROTECTED_VARIABLE)
    weak = Protection("limits", False, "nothing is closed here")
    monkeypatch.setattr(sandbox, "protection", lambda way=None: weak)
    outcome = run("repair", "a.py", "--test", PYTEST)
    assert outcome.code == 2
    assert "nothing is closed here" in outcome.err
    assert UNPROTECTED_VARIABLE in outcome.err


def test_what_there_was_no_time_to_judge_is_told(
    run: Run, predictor: FakePredictor, project: Path
) -> None:
    predictor.generated = ["return x - 2", "return 2 * x"]
    slow = f"{sys.executable} -c 'import time; time.sleep(1); raise SystemExit(1)'"
    outcome = run("generate", "a.py::double", "--test", slow, "--time-budget", "0.3s")
    assert outcome.code == 1
    assert "the time ended before 2 candidates could be tested; see --time-budget" in outcome.err
    outcome = run(
        "generate", "a.py::double", "--test", slow, "--time-budget", "0.3s", "--format", "json"
    )
    assert json.loads(outcome.out)["untested"] == 2


def test_generated_code_is_judged(run: Run, predictor: FakePredictor, project: Path) -> None:
    predictor.generated = ["return x - 2", "return 2 * x", "return x +"]
    outcome = run("generate", "a.py::double", "--test", PYTEST)
    assert outcome.code == 0
    assert outcome.out.strip() == "return 2 * x"
    predictor.generated = ["return x - 2"]
    outcome = run("generate", "a.py::double", "--test", PYTEST)
    assert outcome.code == 1
    assert "the tests accept none of 1 candidate" in outcome.err
    passing = project / "test_nothing.py"
    passing.write_text("def test_nothing():\n    pass\n")
    outcome = run("generate", "a.py::double", "--test", f"{PYTEST} {passing.name}")
    assert outcome.code == 2
    assert "they cannot tell good candidates from bad ones" in outcome.err


def test_a_description_alone_cannot_be_judged(run: Run, project: Path) -> None:
    outcome = run("generate", "double a number", "--test", PYTEST)
    assert outcome.code == 2
    assert "--test needs a place" in outcome.err
