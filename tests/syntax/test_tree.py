"""Parsing loses nothing and never fails, whatever the bytes are."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from tree_sitter import Query

from codemtl.syntax.tree import captures, error_count, language, parse, reassemble, tokens, walk

GOOD = b"import os\n\n\nclass A(B):\n    def f(self, x: int = 1) -> str:\n        return f'{x!r}'\n"
AWKWARD = [
    b"",
    b"\n",
    b"\r\n\r\n",
    b"x = 1",
    b"\xef\xbb\xbfx = 1\n",
    b"def f(:\n  return (((\n",
    b"class\n\ndef\n\nif if if\n",
    b"x = '\xf0\x9f\x98\x80' # \xf0\x9f\x98\x80\r\ny = 2\r\n",
    b"x = '\xff\xfe\x80'\n",
    b"a\x00b\x00\n",
    b"def f():\n\treturn 1\n        return 2\n",
    b"x = 1\ry = 2\r",
    b"'''never closed\n",
    b"x = \\\n  1 \\\n",
    b"\x0c\nx = 1\x0c\n",
    b"(" * 500,
    b"if x:\n" + b" " * 200 + b"y\n",
    "naïve = 'ß'\n".encode("latin-1"),
    b"print 'python 2'\nexec code in ns\n",
    b"x\xc2\xa0= 1\n",
]


@pytest.mark.parametrize("data", AWKWARD, ids=range(len(AWKWARD)))
def test_round_trip_of_awkward_text(data: bytes) -> None:
    assert reassemble(parse(data)) == data


def test_round_trip_of_random_bytes() -> None:
    generator = random.Random(1)
    for _ in range(300):
        data = generator.randbytes(generator.randrange(400))
        assert reassemble(parse(data)) == data


def test_round_trip_of_code_like_text() -> None:
    generator = random.Random(2)
    pieces = [
        *"()[]{}:;=\\'\"@,.# \t\n\r\0é😀x1",
        "def ",
        "class ",
        "if ",
        "f'",
        '"""',
        "\r\n",
        "    ",
    ]
    for _ in range(600):
        text = "".join(generator.choices(pieces, k=generator.randrange(80)))
        assert reassemble(parse(text.encode())) == text.encode()


def test_round_trip_of_broken_real_code() -> None:
    generator = random.Random(0)
    with open(random.__file__, "rb") as stream:
        source = stream.read(20_000)
    for _ in range(40):
        start = generator.randrange(len(source))
        end = start + generator.randrange(200)
        data = source[:start] + generator.randbytes(generator.randrange(20)) + source[end:]
        assert reassemble(parse(data)) == data


def test_leaves_are_in_order_and_not_empty() -> None:
    found = list(tokens(parse(GOOD).root))
    assert all(one.start < one.end for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert [GOOD[one.start : one.end] for one in found[:2]] == [b"import", b"os"]


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        (GOOD, 0),
        (b"", 0),
        (b"x = (1\n", 1),  # MISSING ")"
        (b"def f(:\n    pass\n", 1),
    ],
)
def test_error_count(data: bytes, errors: int) -> None:
    assert error_count(parse(data)) == errors


def test_error_count_grows_with_errors() -> None:
    one = error_count(parse(b"x = (1\n\n\ndef f():\n    pass\n"))
    two = error_count(parse(b"x = (1\n\n\ndef f():\n    y = [2\n    pass\n"))
    assert 0 < one < two


def test_captures_are_in_source_order() -> None:
    data = b"".join(b"def f%d(a, b):\n    return a + b\n" % i for i in range(300))
    found = captures(Query(language(), "(identifier) @name (block) @block"), parse(data).root)
    for nodes in found.values():
        starts = [node.start_byte for node in nodes]
        assert starts == sorted(starts)
    assert len(found["name"]) == 300 * 5
    assert len(found["block"]) == 300


def test_a_walk_is_in_source_order() -> None:
    root = parse(GOOD).root
    found = [(node.start_byte, -node.end_byte) for node in walk(root)]
    assert found == sorted(found)
    every = captures(Query(language(), "(_) @any"), root)["any"]
    assert {node.id for node in walk(root)} == {node.id for node in every if node.is_named}
