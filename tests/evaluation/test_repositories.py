"""The other files of a case's project, as they were before the fix."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codemtl.errors import DataError, UsageError
from codemtl.evaluation.cases import Origin, RepairCase
from codemtl.evaluation.options import Options
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.run import run
from codemtl.evaluation.same_time import OF_A_FILE, clean_of_that_time
from codemtl.evaluation.scoring import Scorer
from codemtl.inference import Predictor
from codemtl.inference.fake import FakePredictor
from codemtl.syntax.history import UNKNOWN

SLIP = "import sys\n\n\ndef f():\n    return sys.platform, sys.platform, sys.paltform\n"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "files")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def mined(tmp_path: Path) -> tuple[Path, str, str]:
    """A folder of repositories, and two commits of the one that is there."""
    folder = tmp_path / "mined" / "ours"
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    first = commit(folder, slip=SLIP, other="x = 1\n")
    return folder.parent, first, commit(folder, other="x.paltform\n")


def test_the_projects_of_a_split_that_are_here(tmp_path: Path) -> None:
    sources = tmp_path / "sources.tsv"
    sources.write_text("repository\tsplit\na/z\ttest\na/b\ttest\na/c\ttrain\na/gone\ttest\n")
    here = Repositories({"a/b": "1", "a/z": "2", "a/c": "3"})
    assert here.of_split("test", sources) == [("a/b", "1"), ("a/z", "2")]
    with pytest.raises(DataError, match=r"no project of the split 'x' of .*sources\.tsv"):
        here.of_split("x", sources)


def test_a_case_sees_the_commit_before_the_fix(mined: tuple[Path, str, str]) -> None:
    folder, first, second = mined
    repositories = Repositories.at(folder)
    (name,) = repositories.git
    before = repositories.around(Origin(name, second, "slip.py", parent=first))
    after = repositories.around(Origin(name, second, "slip.py"))
    assert before is not None and after is not None
    assert not before.mentions("paltform")
    assert after.mentions("paltform")
    assert not before.mentions("paltfor")  # whole words
    assert repositories.around(Origin("other", first, "slip.py")) is None
    assert repositories.around(Origin(name, "0" * 40, "slip.py")) is None


def test_a_case_sees_what_stood_beside_it(mined: tuple[Path, str, str]) -> None:
    folder, first, second = mined
    repositories = Repositories.at(folder)
    (name,) = repositories.git
    assert repositories.beside(Origin(name, second, "slip.py", parent=first)) == (b"x = 1\n",)
    assert repositories.beside(Origin(name, second, "slip.py")) == (b"x.paltform\n",)
    assert repositories.beside(Origin(name, second, "other.py")) == (SLIP.encode(),)
    assert repositories.beside(Origin(name, second, "none/slip.py")) == ()
    assert repositories.beside(Origin("other", first, "slip.py")) == ()
    assert repositories.beside(Origin(name, "0" * 40, "slip.py")) == ()


def test_a_case_knows_how_old_its_lines_are(mined: tuple[Path, str, str]) -> None:
    folder, first, second = mined
    repositories = Repositories.at(folder)
    (name,) = repositories.git
    assert len(repositories.history(Origin(name, second, "slip.py")).ages) == 5
    assert repositories.history(Origin(name, second, "other.py")).ages == (0.0,)
    assert math.isnan(repositories.history(Origin(name, second, "other.py", parent=first)).ages[0])
    assert repositories.history(Origin("other", first, "slip.py")) == UNKNOWN


def test_the_product_asks_the_project_and_the_scope_analysis_does_not(
    mined: tuple[Path, str, str],
) -> None:
    folder, first, second = mined
    repositories = Repositories.at(folder)
    (name,) = repositories.git
    start = SLIP.index("def f")
    cases = [
        RepairCase(Origin(name, commit, "slip.py"), SLIP.encode(), (start,), None)
        for commit in (first, second)
    ]
    scores = Scorer(FakePredictor(), None, repositories).scores(cases)
    shown = [row[0].undefined for row in scores]
    assert shown[0] is not None and shown[0].edit.replacement == "platform"
    assert shown[1] is None
    assert [row[0].scope for row in scores] == [None, None]
    assert [row[0].undefined for row in Scorer(FakePredictor()).scores(cases)] == [None, None]


def test_a_report_tells_how_many_projects_are_known(
    mined: tuple[Path, str, str], use: Callable[[Predictor], None], silent: Predictor
) -> None:
    use(silent)
    suites = ("synthetic",)
    facts = run(Options(suites=suites, limit=3, repositories=mined[0])).results[0].facts
    files = 3 + facts["clean files"]
    assert facts["other files of the project"] == f"known for 0 of {files} files"


def test_a_folder_without_repositories_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no git repository below"):
        Repositories.at(tmp_path)


def test_clean_functions_of_the_same_time(mined: tuple[Path, str, str]) -> None:
    folder = mined[0]
    repositories = Repositories.at(folder)
    (name,) = repositories.git
    work = folder / "ours"
    body = "def f{n}():\n    return {n}\n\n\n"
    third = commit(
        work, many="".join(body.format(n=n) for n in range(6)), test_it=SLIP, broken="f("
    )
    fourth = commit(work, many="", later=SLIP)
    bug = RepairCase(Origin(name, fourth, "slip.py", parent=third), SLIP.encode(), (0,), None)
    found = clean_of_that_time([bug, bug], repositories, 0)
    assert {one.origin.path for one in found} == {"many.py"}, "neither tests nor the file itself"
    assert {one.origin.tree for one in found} == {third}
    assert [len(one.starts) for one in found] == [OF_A_FILE] * 2
    assert all(one.data[start:].startswith(b"def f") for one in found for start in one.starts)
    assert found == clean_of_that_time([bug, bug], repositories, 0)
    other = RepairCase(Origin("other", fourth, "slip.py"), SLIP.encode(), (0,), None)
    with pytest.raises(DataError, match="no other functions"):
        clean_of_that_time([other], repositories, 0)


def test_functions_of_the_same_time_need_repositories() -> None:
    with pytest.raises(UsageError, match="--same-time needs --repositories"):
        run(Options(suites=("real-bugs",), same_time=True))
    with pytest.raises(UsageError, match="--same-time has no effect"):
        run(Options(suites=("masked-lines",), same_time=True))
