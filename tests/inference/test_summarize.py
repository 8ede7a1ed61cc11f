"""Which functions are summarized, and which docstrings are written."""

from __future__ import annotations

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.inference.summarize import SummarizeOptions, summarize_source
from codemtl.syntax.files import SourceFile
from codemtl.syntax.results import FileResult

TEXT = 'def f():\n    pass\n\n\ndef g():\n    """Old."""\n\n    def h(): pass\n'


def summarized(text: str = TEXT, **options: bool) -> FileResult:
    fake = FakePredictor(summary="New.")
    return summarize_source(SourceFile.from_bytes(text.encode()), fake, SummarizeOptions(**options))


def test_all_functions_are_summarized_and_nothing_is_patched() -> None:
    result = summarized()
    assert [(one.function, one.line, one.documented) for one in result.summaries] == [
        ("f", 1, False), ("g", 5, True), ("g.<locals>.h", 8, False),
    ]  # fmt: skip
    assert result.patched is None
    assert {one.docstring for one in result.summaries} == {None}


def test_missing_only() -> None:
    assert [one.function for one in summarized(missing_only=True).summaries] == [
        "f",
        "g.<locals>.h",
    ]


def test_insertion_spares_docstrings_that_are_there() -> None:
    result = summarized(insert=True)
    assert result.patched is not None
    assert result.patched.decode() == (
        'def f():\n    """New."""\n    pass\n\n\n'
        'def g():\n    """Old."""\n\n    def h():\n        """New."""\n        pass\n'
    )
    assert [one.docstring for one in result.summaries] == ['"""New."""'] * 2


def test_replace() -> None:
    result = summarized(insert=True, replace=True)
    assert result.patched is not None
    assert b"Old" not in result.patched
    assert result.patched.count(b"New.") == 3


def test_no_summary_no_docstring() -> None:
    source = SourceFile.from_bytes(TEXT.encode())
    fake = FakePredictor(summary="")
    assert summarize_source(source, fake, SummarizeOptions(insert=True)).patched is None


def test_broken_functions_are_left_out() -> None:
    result = summarized(TEXT + "\ndef broken(:\n    pass\n", insert=True)
    assert result.status == "error"
    assert "syntax error near line" in (result.message or "")
    assert result.patched is not None
    assert b"broken(:\n    pass\n" in result.patched


def test_a_continued_header_with_two_spaces() -> None:
    text = "def f(r) \\\n    -> float:  # keep\n  # squared\n  return r\n"
    result = summarized(text, insert=True)
    assert (result.status, result.message) == ("ok", None)
    assert result.patched == text.replace("keep\n", 'keep\n  """New."""\n').encode()


def told(text: str, summary: str) -> FileResult:
    source, fake = SourceFile.from_bytes(text.encode()), FakePredictor(summary=summary)
    return summarize_source(source, fake, SummarizeOptions(insert=True))


@pytest.mark.parametrize(
    ("summary", "reason"),
    [("No\0text.", "the edit at byte 9 breaks"), ("\ud800", "the replacement is not valid text")],
)
def test_a_docstring_that_cannot_be_placed_is_told(summary: str, reason: str) -> None:
    result = told("def f():\n    pass\n", summary)
    assert (result.status, result.patched) == ("error", None)
    message = f"the docstring of f could not be placed: {reason}"
    assert (result.message or "").startswith(message)
    assert [one.docstring for one in result.summaries] == [None]


def test_text_that_would_be_lost_is_told_and_the_others_are_placed() -> None:
    result = told("print 1\ndef f():\ufeff return 1\n\n\n\ndef g():\n    pass\n", "New.")
    assert result.status == "error"
    assert "; the docstring of f could not be placed: there is text" in (result.message or "")
    assert [one.docstring for one in result.summaries] == [None, '"""New."""']
    assert b"def f():\xef\xbb\xbf return 1\n" in (result.patched or b"")


def test_a_docstring_that_is_there_already_is_no_failure() -> None:
    result = summarized('def f():\n    """New."""\n', insert=True, replace=True)
    assert (result.status, result.message, result.patched) == ("ok", None, None)


@pytest.mark.parametrize("decorator", ["overload", "typing.overload", "t.overload  # c"])
def test_overloads_get_no_docstring(decorator: str) -> None:
    text = f"@{decorator}\ndef f(a: int): ...\n@cache\ndef f(a):\n    return a\n"
    result = summarized(text, insert=True)
    assert result.patched == text.replace("(a):\n", '(a):\n    """New."""\n').encode()
    assert [one.line for one in summarized(text).summaries] == [2, 4]


def test_what_only_resembles_an_overload_gets_one() -> None:
    text = "@overload(len)\n@a.overloaded\ndef f(a):\n    return a\n"
    assert summarized(text, insert=True).patched is not None


def test_a_stub_gets_docstrings_where_it_is_asked_for() -> None:
    source = SourceFile.from_bytes(b"def f(): ...\ndef g(): ...\n", "a.pyi")
    fake, options = FakePredictor(summary="New."), SummarizeOptions(insert=True)
    result = summarize_source(source, fake, options)
    assert (result.status, result.patched, result.summaries) == ("skipped", None, [])
    assert "PATH::NAME" in (result.message or "")
    named = summarize_source(source, fake, options, ["g"])
    assert (named.status, named.message) == ("ok", None)
    assert named.patched == b'def f(): ...\ndef g():\n    """New."""\n    ...\n'
    assert len(summarize_source(source, fake).summaries) == 2
