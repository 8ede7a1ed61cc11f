"""The README says what is true: its commands, kinds, options and Python example."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import codemtl
from codemtl.inference.fake import FakePredictor
from codemtl.syntax.findings import KINDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_first_screen_holds_the_two_commands() -> None:
    commands = re.findall(r"^python -m venv .*$", README, re.MULTILINE)
    assert len(commands) == 2
    assert README.index(commands[1]) < 1500
    file = re.search(r"codemtl repair (\S+)$", commands[0])
    assert file is not None
    assert (ROOT / file[1]).is_file()
    assert commands[1].endswith(".venv/bin/python -m pytest")


def test_the_table_has_every_kind() -> None:
    table = README.partition("## Kinds of findings")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == KINDS


def test_the_table_of_weightings_has_every_method_and_setting() -> None:
    from codemtl.training.weighting import METHODS, check, settings_of

    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|$", README, re.MULTILINE)
    assert [name for name, _ in rows] == list(METHODS)
    for name, text in rows:
        told = {key: float(value) for key, value in re.findall(r"`(\w+)` ([\d.]+)", text)}
        assert told == settings_of(check({"name": name}))


def test_the_python_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.setattr("codemtl.inference.load_predictor", FakePredictor)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("undefined-name b -> ")


def test_every_public_name_can_be_had() -> None:
    for name in codemtl.__all__:
        assert getattr(codemtl, name) is not None
    assert set(codemtl.__all__) <= set(dir(codemtl))
    with pytest.raises(AttributeError, match="nothing"):
        codemtl.nothing  # noqa: B018


def test_every_requirement_is_pinned_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(one for extra in extras.values() for one in extra)]:
        wanted = Requirement(text)
        if wanted.name != "codemtl":
            assert wanted.specifier.contains(pins[wanted.name]), text
