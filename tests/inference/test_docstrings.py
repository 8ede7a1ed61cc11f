"""Docstrings at their place: indentation, line ends, one-line functions, styles, escapes."""

from __future__ import annotations

import ast

import pytest

from codemtl.errors import EditError
from codemtl.inference.docstrings import docstring_edit, parameters
from codemtl.syntax.definitions import find
from codemtl.syntax.edits import apply
from codemtl.syntax.results import Style
from codemtl.syntax.tree import parse
from codemtl.syntax.verify import verify


def inserted(text: str, name: str = "f", summary: str = "Do it.", style: Style = "plain") -> str:
    tree = parse(text.encode())
    edit = docstring_edit(tree, find(tree, name), summary, style)
    verify(tree, [edit])
    return apply(tree.data, [edit]).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f():\n    pass\n", 'def f():\n    """Do it."""\n    pass\n'),
        ("def f():\r\n\tpass\r\n", 'def f():\r\n\t"""Do it."""\r\n\tpass\r\n'),
        ("def f():\n\n  # why\n  pass", 'def f():\n  """Do it."""\n\n  # why\n  pass'),
        ("def f():  # why\n    pass\n", 'def f():  # why\n    """Do it."""\n    pass\n'),
        ("def f(): pass\n", 'def f():\n    """Do it."""\n    pass\n'),
        ("def f(): a; b  # c\n", 'def f():\n    """Do it."""\n    a; b  # c\n'),
        ("def f(): \\\n  return 1\n", 'def f():\n    """Do it."""\n    return 1\n'),
        ("def f(a=':') -> 'x:y': pass", 'def f(a=\':\') -> \'x:y\':\n    """Do it."""\n    pass'),
        ("@d\nasync def f(): pass\n", '@d\nasync def f():\n    """Do it."""\n    pass\n'),
        ("def f(\n    a,\n):\n    pass\n", 'def f(\n    a,\n):\n    """Do it."""\n    pass\n'),
        ("def f():\n    'old'\n    pass\n", 'def f():\n    """Do it."""\n    pass\n'),
        ("def f(): 'old'; pass\n", 'def f(): """Do it."""; pass\n'),
        ("def f():\n    r'''a\n    b'''\n", 'def f():\n    """Do it."""\n'),
        (
            "def f():\n    ...\n\n\nx = 'é🎉'\n",
            'def f():\n    """Do it."""\n    ...\n\n\nx = \'é🎉\'\n',
        ),
    ],
)
def test_place(before: str, after: str) -> None:
    assert inserted(before) == after


CONTINUED = "def f(r, u) \\\n  -> float:  # keep me\n{0}# squared \\\n{0}return r\n"


@pytest.mark.parametrize("indent", ["    ", "  ", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_continued_header_loses_no_comments(indent: str, line_end: str) -> None:
    text = CONTINUED.format(indent).replace("\n", line_end)
    header = text.index("me") + 2 + len(line_end)
    literal = f'{indent}"""Do it."""{line_end}'
    assert inserted(text) == text[:header] + literal + text[header:]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(): \\\n  \\\n return 1\n", 'def f():\n    """Do it."""\n    return 1\n'),
        ("def f():\\\n\n  a\n", 'def f():\\\n\n  """Do it."""\n  a\n'),
        ("def f(): \\\n  # c\n  a\n", 'def f(): \\\n  # c\n  """Do it."""\n  a\n'),
        ("def f():  # c \\\n  a\n", 'def f():  # c \\\n  """Do it."""\n  a\n'),
        ("def f():\n\\\n  a\n  b\n", 'def f():\n  """Do it."""\n\\\n  a\n  b\n'),
        ("def f():\n \\\n  a\n b\n", 'def f():\n """Do it."""\n \\\n  a\n b\n'),
    ],
)
def test_only_a_body_on_the_line_of_the_header_is_moved(before: str, after: str) -> None:
    assert inserted(before) == after


def test_no_text_is_lost_between_header_and_body() -> None:
    with pytest.raises(EditError, match="there is text between"):
        inserted("def f():\ufeff return 1\n")


@pytest.mark.parametrize("comment", ["# type: (int) -> int", "#type: (int) -> int  # c"])
@pytest.mark.parametrize("above", ["", "\n"])
def test_a_type_comment_stays_right_below_the_header(comment: str, above: str) -> None:
    head, rest = f"def f(a):  # c\n{above}  {comment}\n", "  # why\n  return a\n"
    text = inserted(head + rest)
    assert text == head + '  """Do it."""\n' + rest
    function = ast.parse(text, type_comments=True).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert above or (function.type_comment or "").startswith("(int) -> int")


def test_other_comments_come_after_the_docstring() -> None:
    text = "def f(a):  # type: (int) -> int\n    # c\n    # type: no\n    return a\n"
    end = text.index("\n") + 1
    assert inserted(text) == text[:end] + '    """Do it."""\n' + text[end:]


def test_method_in_tabs_and_crlf() -> None:
    text = "class A:\r\n\tdef f(self): return 1\r\n"
    expected = 'class A:\r\n\tdef f(self):\r\n\t\t"""Do it."""\r\n\t\treturn 1\r\n'
    assert inserted(text, "A.f") == expected


@pytest.mark.parametrize(
    "summary",
    [
        'Say "hi"',
        'Has """ quotes',
        "Back\\slash",
        "Ends in \\",
        "Tab\tand\nline",
        "é" * 200,
        "x " * 90,
    ],
)
def test_any_summary_gives_a_docstring_that_python_reads(summary: str) -> None:
    text = inserted("def f():\n    pass\n", summary=summary)
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    read = " ".join((ast.get_docstring(function) or "").split())
    assert read == " ".join(summary.replace('"""', "'''").split())
    assert all(len(line) <= 88 for line in text.split("\n")) or summary == "é" * 200


SIGNATURE = (
    "class A:\n    def f(self, a, b: int = 3, *c: str, d=None, **e) -> list[int]:\n        pass\n"
)


def test_parameters() -> None:
    tree = parse(SIGNATURE.encode())
    found = [tuple(one) for one in parameters(tree, find(tree, "A.f"))]
    assert found == [
        ("a", "", ""), ("b", "int", "3"), ("*c", "str", ""), ("d", "", "None"), ("**e", "", ""),
    ]  # fmt: skip


def test_google() -> None:
    assert '''"""Do it.

        Args:
            a:
            b (int): Default 3.
            *c (str):
            d: Default None.
            **e:

        Returns:
            list[int]
        """''' in inserted(SIGNATURE, "A.f", style="google")


def test_numpy() -> None:
    assert '''"""Do it.

        Parameters
        ----------
        a
        b : int, default 3
        *c : str
        d : default None
        **e

        Returns
        -------
        list[int]
        """''' in inserted(SIGNATURE, "A.f", style="numpy")


def test_sphinx() -> None:
    assert '''"""Do it.

        :param a:
        :param b: Default 3.
        :type b: int
        :param *c:
        :type *c: str
        :param d: Default None.
        :param **e:
        :rtype: list[int]
        """''' in inserted(SIGNATURE, "A.f", style="sphinx")


@pytest.mark.parametrize("style", ["google", "numpy", "sphinx"])
def test_a_function_without_parameters_needs_no_sections(style: Style) -> None:
    assert inserted("def f():\n    pass\n", style=style) == 'def f():\n    """Do it."""\n    pass\n'


def test_strings_of_a_signature_stay_as_they_are() -> None:
    text = """def f(a: L["x  y",  int] = "  ", b="\\n\t" "  ", c='\"\"\"', d=f"{a}  "): pass"""
    tree = parse(text.encode())
    found = [tuple(one) for one in parameters(tree, find(tree, "f"))]
    assert found == [
        ("a", 'L["x  y", int]', '"  "'), ("b", "", '"\\n\t" "  "'), ("c", "", "'\"\"\"'"),
        ("d", "", 'f"{a}  "'),
    ]  # fmt: skip
    function = ast.parse(inserted(text, style="numpy")).body[0]
    assert isinstance(function, ast.FunctionDef)
    read = ast.get_docstring(function, clean=False) or ""
    assert 'a : L["x  y", int], default "  "\n' in read
    assert 'b : default "\\n\t" "  "\n' in read and 'c : default \'"""\'\n' in read


def test_a_default_of_several_lines_is_not_stated() -> None:
    text = (
        "def f(a=[  # one\n    1,\n], b: U[\n    int,  # two\n    str\n] = 1, c='''\n'''): pass\n"
    )
    tree = parse(text.encode())
    found = [tuple(one) for one in parameters(tree, find(tree, "f"))]
    assert found == [("a", "", ""), ("b", "U[ int, str ]", "1"), ("c", "", "")]
    assert "Args:\n        a:\n        b (U[ int, str ]): Default 1.\n        c:\n" in inserted(
        text, style="google"
    )
