"""Scripts end in one line where the user can mend it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codemtl.errors import DataError
from codemtl.scripting import script

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def _missing() -> None:
    raise DataError("nothing there; name another folder")


def _opened() -> None:
    Path("nowhere/at-all").read_text()


@pytest.mark.parametrize(("main", "says"), [(_missing, "nothing there"), (_opened, "at-all")])
def test_what_the_user_can_mend_ends_in_one_line(main, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scripts/some.py"])
    with pytest.raises(SystemExit) as ended:
        script(main)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("some.py: ")
    assert says in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_what_a_script_returns_is_its_exit_code(returned, code):
    with pytest.raises(SystemExit) as ended:
        script(lambda: returned)
    assert ended.value.code == code


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        script(lambda: 1 // 0)


def test_every_script_ends_so():
    scripts = sorted(SCRIPTS.glob("*.py"))
    assert len(scripts) > 20
    assert [one.name for one in scripts if not one.read_text().endswith("    script(main)\n")] == []
