"""Generation with the fake predictor: what is asked for, and where the candidates go."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.errors import SourceError, UsageError
from codemtl.inference.fake import FakePredictor
from codemtl.inference.generate import (
    generate,
    generate_body,
    generate_line,
    generate_text,
    is_place,
    placed,
)
from codemtl.inference.predictor import GenerationRequest
from codemtl.syntax.files import SourceFile
from codemtl.syntax.tree import parse


class Recorder(FakePredictor):
    """Keeps the last request."""

    request: GenerationRequest

    def generate(self, request: GenerationRequest) -> list[str]:
        self.request = request
        return super().generate(request)


def source(text: str) -> SourceFile:
    return SourceFile.from_bytes(text.encode(), Path("a.py"))


def test_text() -> None:
    fake = Recorder(generated=["def f():\n    return 1", "def f(:"])
    result = generate_text(" add one ", fake, candidates=2)
    assert [one.text for one in result.candidates] == ["def f():\n    return 1"]
    assert result.dropped == 1
    assert (fake.request.kind, fake.request.text) == ("text", "add one")
    with pytest.raises(UsageError, match="empty"):
        generate_text(" ", fake)


def test_a_folder_is_no_description(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder; name a file"):
        generate(str(tmp_path), FakePredictor(generated=["x = 1"]))


TEXT = "class A:\n\tdef f(self, x):\n\t\ty = x\n\t\treturn y\n"


def test_line_is_replaced_within_its_indentation() -> None:
    fake = Recorder(generated=["if x:\n    y = 2"])
    result = generate_line(source(TEXT), fake, 3)
    patched = result.candidates[0].patched
    assert patched == TEXT.replace("y = x", "if x:\n\t\t    y = 2").encode()
    assert (result.function, result.line) == ("A.f", 3)
    request = fake.request
    assert TEXT.encode()[request.start : request.end] == b"y = x"


def test_blank_line_is_indented_like_its_surroundings() -> None:
    fake = Recorder(generated=["return x"])
    result = generate_line(source("def f(x):\n\n"), fake, 2)
    assert result.candidates[0].patched == b"def f(x):\n    return x\n"
    assert result.function == "f"


def test_where_the_best_is_not_sound_the_next_one_comes() -> None:
    fake = FakePredictor(generated=["return (", "y = 1", "y = 2"])
    result = generate_line(source(TEXT), fake, 3)
    assert [one.text for one in result.candidates] == ["y = 1"]
    assert result.dropped == 1
    assert len(generate_line(source(TEXT), fake, 3, candidates=2).candidates) == 2
    text = FakePredictor(generated=["def f(:", "def f(): pass", "def g(): pass"])
    assert [one.text for one in generate_text("do", text).candidates] == ["def f(): pass"]


def test_names_that_nothing_defines_count_against_a_text() -> None:
    text = "def f(x):\n    pass\n    return y + x\n"
    fake = FakePredictor(generated=["z = x", "y = w", "y = x", "("])
    (best,) = generate_line(source(text), fake, 2).candidates
    assert best.text == "y = x", "y is used below, w is nowhere"
    tree = parse(text.encode())
    start = text.index("pass")
    request = GenerationRequest("line", tree=tree, start=start, end=start + 4)
    assert [one for one, _ in placed(fake, request)] == ["y = x", "z = x", "y = w", "("]


def test_line_that_would_not_parse_is_dropped() -> None:
    result = generate_line(source(TEXT), FakePredictor(generated=["return ("]), 3)
    assert (result.candidates, result.dropped) == ([], 1)


def test_what_stands_there_already_is_an_answer() -> None:
    result = generate_line(source(TEXT), FakePredictor(generated=["y = x"]), 3)
    assert result.candidates[0].patched == TEXT.encode()


def test_line_completes_a_broken_one() -> None:
    text = "def f(x):\n    y = \n    return y\n"
    result = generate_line(source(text), FakePredictor(generated=["y = x"]), 2)
    assert result.candidates[0].patched == b"def f(x):\n    y = x\n    return y\n"


def test_lines_out_of_reach() -> None:
    with pytest.raises(SourceError, match="no line 9"):
        generate_line(source(TEXT), FakePredictor(), 9)
    with pytest.raises(SourceError, match=r"not in A\.f"):
        generate_line(source(TEXT), FakePredictor(), 1, "A.f")


def test_an_unknown_name_is_told_with_the_file() -> None:
    for write in (
        lambda: generate_line(source(TEXT), FakePredictor(), 1, "A.g"),
        lambda: generate_body(source(TEXT), FakePredictor(), "A.g"),
    ):
        with pytest.raises(SourceError, match=r"a\.py: there is no function or class 'A\.g'"):
            write()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(x):\n    pass\n", "def f(x):\n    y = 1\n    return y\n"),
        ("def f(x): pass\n", "def f(x):\n    y = 1\n    return y\n"),
        ('def f(x):\n    """D."""\n', 'def f(x):\n    """D."""\n    y = 1\n    return y\n'),
        (
            'def f(x):\r\n\t"""D."""\r\n\tpass\r\nz = 1\r\n',
            'def f(x):\r\n\t"""D."""\r\n\ty = 1\r\n\treturn y\r\nz = 1\r\n',
        ),
        ("def f(x):  # why\n    pass\n", "def f(x):  # why\n    y = 1\n    return y\n"),
        ("def f(x):\n", "def f(x):\n    y = 1\n    return y\n"),
        ("def f(x): \\\n  pass\n", "def f(x):\n  y = 1\n  return y\n"),
    ],
)
def test_body(before: str, after: str) -> None:
    fake = FakePredictor(generated=["y = 1\nreturn y"])
    result = generate_body(source(before), fake, "f")
    assert [one.patched for one in result.candidates] == [after.encode()]


def test_a_docstring_on_the_line_of_the_header_moves_to_its_own() -> None:
    for before in ("def f(x): 'why'\n", "def f(x): 'why'; pass\n"):
        result = generate_body(source(before), FakePredictor(generated=["return x"]), "f")
        (one,) = result.candidates
        assert one.patched == b"def f(x):\n    'why'\n    return x\n"


def test_too_many_candidates_are_refused() -> None:
    with pytest.raises(UsageError, match="at most 100"):
        generate_text("add one", FakePredictor(), candidates=101)


def test_a_class_has_no_body_to_write() -> None:
    with pytest.raises(SourceError, match="is a class"):
        generate_body(source(TEXT), FakePredictor(), "A")


def test_places_and_descriptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script").write_text("x = 1\n")
    assert not is_place("sort " * 100)
    places = ["a.py", "a.py::f", "script", "script::f"]
    assert [one for one in [*places, "parse a.py", "sort a list", "why::so"] if is_place(one)] == (
        places
    )
    with pytest.raises(UsageError, match="--line 3"):
        generate("sort a list", FakePredictor(), line=3)
    with pytest.raises(UsageError, match="script::FUNCTION"):
        generate("script", FakePredictor())
    with pytest.raises(SourceError, match=r"missing\.py"):
        generate("missing.py::f", FakePredictor())


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return f(x)",
        "def f(x):\n    f(x)",
        'def f(x):\n    """Say."""\n    # no\n    return f(x + 1)',
    ],
)
def test_a_function_that_only_calls_itself_is_no_answer(text: str) -> None:
    fake = FakePredictor(generated=[text, "def f(x):\n    return g(x)"])
    result = generate_text("call", fake, candidates=2)
    assert [one.text for one in result.candidates] == ["def f(x):\n    return g(x)"]
    assert result.dropped == 0


def test_a_body_that_only_calls_itself_comes_last() -> None:
    text = "class A:\n    def f(self, x):\n        pass\n"
    fake = FakePredictor(generated=["return self.f(x)", "return unknown(x)", "return x"])
    result = generate_body(source(text), fake, "A.f", candidates=3)
    assert [one.text for one in result.candidates] == [
        "return x", "return unknown(x)", "return self.f(x)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "indent"),
    [
        ("def f(a):\n\n  return a\n", 2, "  "),
        ("class A:\n\tdef f(self):\n\n\tx = 1\n", 3, "\t\t"),
        ('def f(a):\n  if a == "#":\n\n    return a\n', 3, "    "),
        ("def f(a):  # say\n\n", 2, "    "),
        ("def f(a):\n  # say:\n\n  return a\n", 3, "  "),
        ("def f(a):\n  b = {1:\n\n  2}\n", 3, "  "),
        ("def f(a):\n            \n  return a\n", 2, "  "),
        ("def f(a):\n  b = a\n\x0c\n  return b\n", 3, "  "),
        ("def f(a):\n  b = g(a,\n        1)\n\n", 4, "  "),
        ("def f(a):\n  b = g(a,\n        1)  # c\n\n", 4, "  "),
        ("def f(a):\n  b = a\n  # c\n\n", 4, "  "),
        ("\n   \ndef f(a):\n  return a\n", 2, ""),
        # what ends a block is followed by what stands outside of it
        ("def f(a):\n  for b in a:\n    continue\n\n  return a\n", 4, "  "),
        ("def f(a):\n  return a\n\n\ndef g(b):\n  pass\n", 3, ""),
        ("def f(a):\n  return a\n\n", 3, ""),
        ("def f(a):\n  if a:\n    return 1\n\n  else:\n    a = 1\n", 4, "    "),
        # the head of a block
        ("def f(a):\n\n      a()\n  except E:\n      b()\n", 2, "  "),
    ],
)
def test_an_empty_line_has_the_indentation_of_its_block(text: str, line: int, indent: str) -> None:
    fake = Recorder(generated=["x = 1"])
    result = generate_line(source(text), fake, line)
    assert fake.request.indent == indent
    if "{" not in text and "except" not in text:
        (one,) = result.candidates
        assert one.patched is not None and f"\n{indent}x = 1\n".encode() in one.patched


def test_what_a_comment_says_of_the_docstring_stays_beside_it() -> None:
    text = 'def f(a):\n    """Say."""  # noqa: D401\n    return a\n'
    result = generate_body(source(text), FakePredictor(generated=["return 1"]), "f")
    patched = result.candidates[0].patched
    assert patched == text.replace("return a", "return 1").encode()


def test_a_blank_line_after_a_function_inside_belongs_to_the_outer_one() -> None:
    fake = Recorder(generated=["b = 1"])
    text = "def f(a):\n    def g(b):\n        return b\n\n    return g(a)\n"
    assert generate_line(source(text), fake, 4).function == "f"


SEVERAL = '''def f(a):
    """Say
    so."""
    b = g(
        a,
    )  # c
    return """
    b"""
'''


@pytest.mark.parametrize("line", [4, 5, 6])
def test_a_statement_over_several_lines_is_written_as_a_whole(line: int) -> None:
    result = generate_line(source(SEVERAL), FakePredictor(generated=["b = a"]), line)
    patched = result.candidates[0].patched
    assert patched == SEVERAL.replace("g(\n        a,\n    )  # c", "a").encode()


def test_text_is_no_line_of_code() -> None:
    for line in (2, 3, 8):
        with pytest.raises(SourceError, match=rf"a\.py: line {line} is part of a string"):
            generate_line(source(SEVERAL), FakePredictor(generated=["b = a"]), line)
    result = generate_line(source(SEVERAL), FakePredictor(generated=["return b"]), 7)
    assert (result.candidates[0].patched or b"").endswith(b"# c\n    return b\n")


def test_strings_over_several_lines_in_brackets_are_a_line_of_code() -> None:
    text = 'def f(a):\n    b = (\n        "c"\n        "d"\n    )\n    return b\n'
    for line in (2, 3, 4, 5):
        result = generate_line(source(text), FakePredictor(generated=["b = a"]), line)
        assert result.candidates[0].patched == b"def f(a):\n    b = a\n    return b\n"


def test_a_line_inside_a_formatted_string_is_text() -> None:
    text = 'def f(a):\n    return f"""b\n    {a["c"]} d\n    """\n'
    with pytest.raises(SourceError, match="line 3 is part of a string"):
        generate_line(source(text), FakePredictor(generated=["b = a"]), 3)
