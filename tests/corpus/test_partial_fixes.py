"""Repairs inside larger fixes: which edit counts by itself, and which follows from the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codemtl.corpus.build import build
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.partial_fixes import may_be_edit, mine_partial_fixes
from codemtl.corpus.patches import Hunk, patches
from codemtl.corpus.splits import split_of

MIT = "Permission is hereby granted, free of charge, to any person"
SHAPES = '''\
"""Shapes."""


def area(width, height):
    check(width, height)
    return width * width


def check(width, height):
    if width < 0 or height < 0:
        raise ValueError("negative")


class Box:
    def __init__(self, width, height, depth):
        self.width, self.height, self.depth = width, height, depth

    def volume(self):
        return area(self.width, self.height) * self.depth

    def sides(self):
        return [self.width, self.height]
'''
TEXT = """\
def title(name, count):
    if count > 1:
        return name + "s"
    return name


def plain(name):
    return title(name, 0)
"""
MISUSE = ("width * width", "width * height")
STRICT = ("width < 0 or height < 0", "width <= 0 or height <= 0")  # two edits
OTHER = {"b.py": TEXT.replace("> 1", "!= 1").replace("name, 0", "name.strip(), 0")}

Make = Callable[[str], Any]  # the name of a repository -> conftest.Repository


def repository(make_history: Make, name: str, changes: dict[str, Any], message: str) -> Any:
    """A commit on top of the first one."""
    found = make_history(name)
    files = {"LICENSE": MIT, "a.py": SHAPES, "b.py": TEXT, "tests/test_a.py": "x = 1\n"}
    found.commit("Start", files)
    found.commit(message, changes)
    found.finish()
    return found


def mined(place: Any, whole: tuple[str, ...] = ()) -> list[tuple[str, str, str, str]]:
    """(function, kind, original, replacement) of what is found."""
    rows = mine_partial_fixes(str(place.path), "HEAD", "p", Exclusions(), whole)
    return [
        (row["qualname"], row["kind"], row["edit_original"], row["edit_replacement"])
        for row in rows
    ]  # fmt: skip


def edited(*edits: tuple[str, str], text: str = SHAPES) -> str:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def test_single_edits_among_other_changes(make_history: Make) -> None:
    changes = {**OTHER, "a.py": edited(MISUSE, STRICT), "tests/test_a.py": "x = 2\n"}
    place = repository(make_history, "proj", changes, "Fix areas and plurals")
    assert mined(place) == [
        ("area", "variable-misuse", "width", "height"),
        ("title", "comparison", ">", "!="),
    ]
    assert mined(place, (place.git("rev-parse", "HEAD"),)) == []
    (row, _) = mine_partial_fixes(str(place.path), "HEAD", "p", Exclusions(), ())
    data = SHAPES.encode()
    assert data[row["start"] : row["end"]].decode() == row["before"]
    assert row["after"] == row["before"].replace(*MISUSE)
    assert (row["partial"], row["silent"], row["tests"]) == (True, False, True)
    assert (row["file"], row["message"]) == (SHAPES, "Fix areas and plurals")


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("Grow", {**OTHER, "a.py": edited(MISUSE)}),
        ("Fix", {"b.py": None, "c.py": TEXT, "a.py": edited(MISUSE)}),  # a file has moved
        ("Fix", {f"{name}.py": "x = 1\n" for name in "cdefgh"} | {"a.py": edited(MISUSE)}),
        ("Fix", {"a.py": edited(STRICT)}),
        ("Fix", {"a.py": edited(("self.width", "self.wide"))}),  # renamed throughout
        ("Fix", {"a.py": edited(("area(", "surface("))}),
        ("Fix", {"a.py": edited(("self, width", "self, wide"), (" = width", " = wide"))}),
        ("Fix", {"a.py": edited(STRICT), "b.py": TEXT.replace("> 1", "> 9")}),
    ],
)
def test_what_follows_from_the_rest(
    make_history: Make, message: str, changes: dict[str, Any]
) -> None:
    assert mined(repository(make_history, "proj", changes, message)) == []


def test_for_training_only(make_history: Make, tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        name = next(f"proj{i}" for i in range(200) if split_of(f"proj{i}") == split)
        own = f"\n\ndef {split}(a, b):\n    c = [a, b, '{split}', {split}]\n    return c[0] + a\n"
        place = make_history(name)
        place.commit("Start", {"LICENSE": MIT, "a.py": SHAPES + own, "b.py": TEXT})
        place.commit("Fix both", {**OTHER, "a.py": SHAPES + own.replace("+ a", "+ b")})
        place.finish()
    summary = build([tmp_path / "mirror"], tmp_path / "out", jobs=1)
    assert not summary.fixes and summary.partial_fixes == {"variable-misuse": 1}
    (row,) = Dataset.load_from_disk(str(tmp_path / "out" / "fixes")).to_list()
    assert (row["split"], row["partial"], row["qualname"]) == ("train", True, "train")


def test_patches(make_history: Make) -> None:
    changes = {
        "a.py": edited(MISUSE),
        "caf\u00e9.py": "x = 1\n",
        "b.py": "x = 1\n" + TEXT,
        "tests/test_a.py": None,
    }
    place = repository(make_history, "proj", changes, "Fix")
    names = place.git("rev-list", "HEAD").split()
    ((name, patch),) = patches(str(place.path), names)
    assert name == names[0]
    assert patch == {
        "a.py": [Hunk(6, [b"    return width * width"], 6, [b"    return width * height"])],
        "b.py": [Hunk(0, [], 1, [b"x = 1"])],
        "caf\u00e9.py": [Hunk(0, [], 1, [b"x = 1"])],
        "tests/test_a.py": [Hunk(1, [b"x = 1"], 0, [])],
    }
    assert patch["a.py"][0].change == ((b"width",), (b"height",))


@pytest.mark.parametrize(
    ("removed", "added", "answer"),
    [
        ("if a < b:", "if a <= b:", True),
        ("if a:", "if not a:", True),
        ("call(a, b)", "call(b, a)", True),
        ("return total", "return self.total", True),
        ("x = f(a)  # old", "x = f(a)  # new", False),
        ("return a", "return a + b + c + d + e", False),
        ("return f(a, 1)", "return g(b, 2)", False),
    ],
)
def test_may_be_edit(removed: str, added: str, answer: bool) -> None:
    assert may_be_edit(Hunk(1, [removed.encode()], 1, [added.encode()])) == answer
