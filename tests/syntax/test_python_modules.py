"""What Python's own modules have."""

from __future__ import annotations

import pytest

from codemtl.syntax.python_modules import has, members_of, submodule


def test_members_of_modules_and_of_what_is_in_them() -> None:
    assert "path" in members_of("os") and "join" in members_of("os.path")
    assert "now" in members_of("datetime.datetime") and "now" not in members_of("datetime")


@pytest.mark.parametrize("name", ["pytest", "nothing", "antigravity", "os.nothing", "_ctypes", ""])
def test_nothing_of_others_and_of_those_that_act(name: str) -> None:
    assert members_of(name) == frozenset()


@pytest.mark.parametrize("name", ["distutils", "imp", "asynchat"])
def test_a_warning_of_modules_that_will_go_is_none_of_ours(name: str) -> None:
    assert members_of(name) is members_of(name)


@pytest.mark.parametrize(
    ("name", "chain", "module"),
    [
        ("urllib", ("parse", "quote"), "urllib.parse"),
        ("xml", ("dom", "minidom", "parse"), "xml.dom.minidom"),
        ("logging", ("getLogger",), "logging"),
        ("os", ("path", "join"), "os"),
        ("pytest", ("mark",), "pytest"),
        ("json", (), "json"),
    ],
)
def test_the_module_of_a_package_that_is_asked_for(
    name: str, chain: tuple[str, ...], module: str
) -> None:
    assert submodule(name, chain) == module


def test_a_package_has_its_modules() -> None:
    assert has("xml", "dom") and has("os", "sep")
    assert not has("os", "nothing") and not has("nothing", "x")
