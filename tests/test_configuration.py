"""Settings from pyproject.toml and flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.configuration import load_settings, parse_duration
from codemtl.errors import UsageError
from codemtl.syntax.findings import KINDS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("")
    return tmp_path


def configure(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)


def test_defaults(project: Path) -> None:
    settings = load_settings([str(project)], {})
    assert settings.model is None
    assert settings.kinds == frozenset(KINDS)
    assert settings.style == "plain"


def test_found_upward_from_the_file_and_flags_win(project: Path) -> None:
    configure(
        project,
        '[tool.codemtl]\nmin-confidence = 0.7\ntime-budget = "2m"\nselect = ["literal"]\n'
        'model = "weights"\njobs = 2\nstyle = "numpy"\n',
    )
    (project / "pkg" / "pyproject.toml").write_text("[project]\nname = 'x'\n")  # not ours
    path = str(project / "pkg" / "a.py")
    settings = load_settings([path + "::f"], {"min_confidence": 0.9, "jobs": None})
    assert settings.min_confidence == 0.9
    assert settings.time_budget == 120
    assert settings.kinds == {"literal"}
    assert settings.model == project / "weights"
    assert (settings.jobs, settings.style) == (2, "numpy")


def test_the_common_folder_decides_for_several_paths(project: Path) -> None:
    (project / "pkg" / "pyproject.toml").write_text("[tool.codemtl]\njobs = 3\n")
    (project / "b.py").write_text("")
    inside = str(project / "pkg" / "a.py")
    assert load_settings([inside], {}).jobs == 3
    assert load_settings([inside, str(project / "b.py")], {}).jobs is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.codemtl]\nmin-confidenc = 1", "did you mean min-confidence"),
        ("[tool.codemtl]\nzzz = 1", "there are model, jobs"),
        ("[tool.codemtl]\nmin-confidence = 2", "from 0 to 1, not 2"),
        ("[tool.codemtl]\nmin-confidence = true", "from 0 to 1"),
        ("[tool.codemtl]\njobs = 0", "at least 1"),
        (f"[tool.codemtl]\njobs = {10**20}", "jobs must be at most 1024"),
        ('[tool.codemtl]\nselect = ["litteral"]', "did you mean literal"),
        ("[tool.codemtl]\nselect = 3", "must be kinds"),
        ('[tool.codemtl]\nstyle = "fancy"', "google, numpy, sphinx, plain"),
        ('[tool.codemtl]\ntime-budget = "soon"', "90, 90s, 15m or 2h"),
        ("[tool.codemtl\n", "cannot be read"),
        ("deep = " + "[" * 10_000, "cannot be read"),
        ("[tool]\ncodemtl = 3", "not a table"),
    ],
)
def test_mistakes_name_the_file_and_the_way_out(project: Path, text: str, message: str) -> None:
    configure(project, text)
    with pytest.raises(UsageError) as caught:
        load_settings([str(project / "pkg")], {})
    assert message in str(caught.value)
    assert str(project / "pyproject.toml") in str(caught.value)


def test_mistakes_in_flags_name_the_flag() -> None:
    with pytest.raises(UsageError, match="--min-confidence must be"):
        load_settings([], {"min_confidence": 7.0})
    with pytest.raises(UsageError, match="--select has no kind 'compare'"):
        load_settings([], {"select": "compare,literal"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1.5m", 90), (30, 30), (" 5 s ", 5)],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "5d", "1h30m", "0", "inf", "9" * 400, True, None])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)
