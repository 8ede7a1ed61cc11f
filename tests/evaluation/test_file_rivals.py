"""The rivals that know the file: they take what stands at its most similar place, as it stands."""

from __future__ import annotations

import pytest

from codemtl.evaluation.cases import Origin, TextCase
from codemtl.evaluation.file_rivals import FileRival

FILE = '''
def open_reader(source):
    """Open a source, for  reading."""
    log( "reader" )
    return Reader(source, mode = "r")


def open_writer(target):
    """Open it."""
    log("writer")
    return Writer(target)


def alone():
    return 1
'''


@pytest.fixture(scope="module")
def rival() -> FileRival:
    return FileRival()


def case(name: str, line: str = "", text: str = FILE) -> TextCase:
    at = text.index(line)
    mask = (at, at + len(line)) if line else None
    return TextCase(Origin("p", "c", "a.py"), text.encode(), text.index(name), name, mask, line)


def test_the_line_is_as_it_stands_in_the_file(rival: FileRival) -> None:
    assert rival.line(case("def open_writer", "return Writer(target)")) == (
        'return Reader(source, mode = "r")'
    )


def test_the_summary_is_that_of_another_function(rival: FileRival) -> None:
    assert rival.summary(case("def open_writer")) == "Open a source, for reading."


def test_a_function_alone_in_its_file_gets_nothing(rival: FileRival) -> None:
    text = "def alone():\n    return 1\n"
    assert rival.line(case("def alone", "return 1", text)) == ""
    assert rival.summary(case("def alone", "", text)) == ""
