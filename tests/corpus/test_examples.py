"""Hashes ignore layout only; summaries are clean; masked lines and cuts put the source together."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from codemtl.corpus.decoding import decode, parsed
from codemtl.corpus.examples import function_rows, masked_line, without_docstring
from codemtl.corpus.exclusions import Exclusions, load_exclusions
from codemtl.corpus.hashing import function_hash
from codemtl.errors import DataError
from codemtl.syntax.definitions import functions
from codemtl.syntax.docstrings import summary
from codemtl.syntax.tree import parse

SOURCE = '''\
import os


class Greeter:
    def greet(self, name):
        """Say hello to someone politely.

        Args:
            name: who
        """
        # a comment
        if not name:
            raise ValueError("name\\n")
        return f"hello {name:>{len(name)}.3}"

    def stub(self): return 1
'''


def hash_of(source: str) -> int:
    tree = parse(source.encode())
    return function_hash(tree, functions(tree)[0].node)


@pytest.mark.parametrize(
    "variant",
    [
        "def f(a):\n  return a+1\n",
        'def f( a ):\n\t"""Doc."""\n\treturn a + 1  # why\n',
        "def f(a):\r\n    # c\r\n    return a \\\r\n      + 1\r\n",
    ],
)
def test_hash_ignores_layout(variant: str) -> None:
    assert hash_of(variant) == hash_of("def f(a):\n    return a + 1\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(a):\n    return a\n", "def f(b):\n    return b\n"),
        ('def f():\n    return "a\\n"\n', 'def f():\n    return "b\\n"\n'),
        ('def f(x):\n    return f"{x:.3f}"\n', 'def f(x):\n    return f"{x:.2f}"\n'),
        ("def f(a):\n    if a:\n        b()\n        c()\n",
         "def f(a):\n    if a:\n        b()\n    c()\n"),
    ],
)  # fmt: skip
def test_hash_tells_different_code_apart(one: str, other: str) -> None:
    assert hash_of(one) != hash_of(other)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Return the sum of both.\n\nArgs:\n  x: y", "Return the sum of both."),
        ("Return the :class:`~a.Thing` for\n``name``.", "Return the a.Thing for name."),
        ("Parse files.\n:param x: y", ""),  # two words are too few
        ("Parse one file.\n:param x: y", "Parse one file."),
        ("TODO write this docstring later", ""),
        ("See the base class.", ""),
        ("...", ""),
        ("获取一个 cookie 的 值", ""),
        ("", ""),
    ],
)
def test_summary(docstring: str, expected: str) -> None:
    assert summary(docstring) == expected


def test_rows_of_a_file() -> None:
    rows = function_rows(SOURCE, "p", "a.py", Exclusions(), 0, Counter())
    assert [row.qualname for row in rows] == ["Greeter.greet", "Greeter.stub"]
    greet, stub = rows
    data = SOURCE.encode()
    source = data[greet.start : greet.end]
    assert source.startswith(b"def greet") and source.endswith(b'.3}"')
    assert greet.summary == "Say hello to someone politely."
    assert greet.docstring.endswith("name: who")
    bare = without_docstring(source, greet.cut)
    assert b"hello" in bare and b"politely" not in bare and b"# a comment" in bare
    assert (stub.summary, stub.mask, stub.cut) == ("", (0, 0), (0, 0))


def test_a_function_that_only_raises_has_no_summary() -> None:
    source = (
        'def load(path, mode):\n    """Load a file."""\n    raise NotImplementedError(path, mode)\n'
    )
    (row,) = function_rows(source, "p", "a.py", Exclusions(), 0, Counter())
    assert (row.docstring, row.summary) == ("Load a file.", "")


def test_every_choice_of_a_masked_line_restores_the_source() -> None:
    seen = set()
    for seed in range(12):
        row = function_rows(SOURCE, "p", "a.py", Exclusions(), seed, Counter())[0]
        source = SOURCE.encode()[row.start : row.end]
        line, prefix, target, suffix = masked_line(source, row.cut, row.mask)
        bare = without_docstring(source, row.cut)
        assert prefix + target + suffix == bare
        assert bare.split(b"\n")[line].strip() == target == target.strip()
        seen.add(target)
    assert seen == {b"if not name:", b'raise ValueError("name\\n")',
                    b'return f"hello {name:>{len(name)}.3}"'}  # fmt: skip


def test_broken_and_long_functions_are_counted() -> None:
    rejected: Counter[str] = Counter()
    text = "def a(:\n    pass\n\n\ndef b():\n" + "    x = 1\n" * 500
    assert function_rows(text, "p", "a.py", Exclusions(), 0, rejected) == []
    assert rejected["long"] == 1


def test_decoding() -> None:
    assert decode(b"\xef\xbb\xbfx = 1\r\n") == "x = 1\r\n"
    assert decode("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1")) is not None
    assert parsed("print 'python 2'\n") is None
    assert decode(b"x = '\xff'\n") is None
    assert decode(b"# coding: nonsense\n") is None


def test_benchmark_functions_are_excluded(tmp_path: Path) -> None:
    record = {
        "prompt": 'def add(a, b):\n    """Add."""\n',
        "canonical_solution": "    return a + b\n",
        "buggy_solution": "    return a - b\n",
    }
    (tmp_path / "x.jsonl").write_text(json.dumps(record) + "\n")
    with gzip.open(tmp_path / "y.jsonl.gz", "wt") as stream:
        stream.write(json.dumps({**record, "prompt": "def sub(a, b):\n"}))
    corpus = tmp_path / "pairs"
    corpus.mkdir()
    body = "def g(u, v): DCNL  DCSP if (not u): DCNL DCSP  DCSP return u'a DCSP b' DCNL DCSP h(u)"
    (corpus / "data.declbodies.test").write_text(body + "\n")
    (corpus / "data.metadata.test").write_text("github/own/proj/src/m.py 12\n")
    exclusions = load_exclusions([tmp_path])
    rejected: Counter[str] = Counter()
    text = (
        "def add(a,b):\n  return a+b\n\ndef sub(a, b):\n  return a-b\n\n"
        "def kept(a):\n  return a\n\n"
        "def g(u, v):\n    if not u:\n        return 'a b'\n    h(u)\n"
    )
    rows = function_rows(text, "other", "a.py", exclusions, 0, rejected)
    assert [row.qualname for row in rows] == ["kept"]
    assert rejected == {"benchmark": 2, "benchmark-loose": 1}
    moved = "def g(u, v, w=0):\n    return w\n"
    assert not function_rows(moved, "own/proj", "src/m.py", exclusions, 0, rejected)
    assert rejected["benchmark-pointer"] == 1
    with pytest.raises(DataError, match="does not exist"):
        load_exclusions([tmp_path / "missing"])
    (tmp_path / "x.jsonl").write_text("{")
    with pytest.raises(DataError, match="not a readable"):
        load_exclusions([tmp_path])
