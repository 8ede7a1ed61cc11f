"""Which functions are summarized, and which docstrings are written."""

from __future__ import annotations

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
