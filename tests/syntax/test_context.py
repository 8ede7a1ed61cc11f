"""The context of a function says what the rest of the file knows, and nothing of the function."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from codemtl.syntax.context import SNIPPET_LIMIT, SNIPPETS, FileFacts
from codemtl.syntax.definitions import find, functions
from codemtl.syntax.tree import SourceTree, parse

SOURCE = textwrap.dedent('''
    import os, sys as system
    from urllib.parse import (
        urljoin,
        quote as q,
    )
    LIMIT = 10
    LEFT, RIGHT = range(2)
    UNUSED: int = 3
    TABLE = {
        "a": 1,
    }

    class Base:
        shared = None
        def __init__(self, url: str, *, retries: int = 3, **options: object) -> None:
            self.url = url
        def fetch(self, page, default="a long default value"):
            return page

    class Scraper(Base, metaclass=Meta):
        timeout: float = 1.0
        def open(self):
            self.session, self.cache = connect(), {}
            self.session.flag = True
        def parse(self, text):
            """Uses quote and UNUSED in words only."""
            self.only_here = urljoin(LIMIT, RIGHT)
            helper(self.fetch(text))  # and close
            return system
        def close(self, hard=False): pass

    def helper(a, /, b=1, *rest):
        def inner(c):
            return a, TABLE
        return inner

    def unrelated(): pass
''')  # fmt: skip


@pytest.fixture
def tree() -> SourceTree:
    return parse(SOURCE.encode())


def context(tree: SourceTree, qualname: str) -> list[str]:
    return FileFacts(tree).context(find(tree, qualname))


def test_order_and_content(tree: SourceTree) -> None:
    assert context(tree, "Scraper.parse") == [
        "class Scraper(Base, metaclass=Meta)",
        "class Base",
        "def fetch(self, page, default=...)",
        "def helper(a, /, b=1, *rest)",
        "self.timeout, session, cache",
        "self.shared, url",
        "import sys as system",
        "from urllib.parse import urljoin",
        "LIMIT = 10",
        "LEFT, RIGHT = range(2)",
        "def open(self)",
        "def close(self, hard=False)",
        "def __init__(self, url, *, retries=3, **options)",
        "def unrelated()",
    ]


def test_limit() -> None:
    methods = (b"    def f%d(self): pass\n" % number for number in range(SNIPPETS + 1))
    assert len(context(parse(b"class A:\n" + b"".join(methods)), "A.f0")) == SNIPPETS


def test_nested_function_knows_the_outer_one(tree: SourceTree) -> None:
    found = context(tree, "helper.inner")
    assert found[:2] == ["def helper(a, /, b=1, *rest)", "TABLE"]


def test_it_need_not_depend_on_what_the_function_uses(tree: SourceTree) -> None:
    changed = parse(SOURCE.replace("urljoin(LIMIT, RIGHT)", "quote(UNUSED, q)").encode())
    before, after = (
        FileFacts(one).context(find(one, "Scraper.parse"), by_use=False) for one in (tree, changed)
    )
    assert before == after
    assert "LIMIT = 10" not in before


def test_nothing_from_inside_the_function(tree: SourceTree) -> None:
    """Renaming everything that only the function says must not change its context."""
    before = context(tree, "Scraper.parse")
    changed = parse(SOURCE.replace("only_here", "secret").replace("words only", "x").encode())
    assert context(changed, "Scraper.parse") == before
    assert "only_here" not in " ".join(before)


def test_snippets_are_single_short_lines() -> None:
    names = ", ".join(f"parameter_{i}" for i in range(60))
    attributes = "".join(f"        self.attribute_{i} = {i}\n" for i in range(60))
    header = "class A(\n    B,\n    C[\n  int],\n):\n    def a(self,\n "
    data = f"{header}{names}):\n{attributes}    def b(self): pass\n"
    tree = parse(data.encode())
    found = context(tree, "A.b")
    assert found[0] == "class A(B, C[int],)"
    assert all("\n" not in one and 0 < len(one) <= SNIPPET_LIMIT for one in found)
    assert found[1].endswith("attribute_" + found[1].rpartition("_")[2])
    assert not found[1].endswith(",")


def test_broken_and_odd_files() -> None:
    for data in (
        b"def f(x:\n  return (\n",
        b"\xff\xfedef f(): pass\n",
        b"class A(: \n def f(self): 1\n",
    ):
        tree = parse(data)
        for one in functions(tree):
            FileFacts(tree).context(one)


def test_classes_that_inherit_in_a_circle() -> None:
    tree = parse(b"class A(B):\n    def f(self): pass\nclass B(A):\n    def g(self): pass\n")
    assert context(tree, "A.f")[:2] == ["class A(B)", "class B(A)"]


def test_same_in_every_process() -> None:
    """Hashes and the order of the library's captures differ from process to process."""
    program = textwrap.dedent("""
        import argparse, hashlib
        from codemtl.syntax.context import FileFacts
        from codemtl.syntax.tree import parse
        facts = FileFacts(parse(open(argparse.__file__, "rb").read()))
        text = repr([facts.context(one) for one in facts.definitions])
        print(hashlib.sha256(text.encode()).hexdigest())
    """)
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, text=True
        ).stdout
        for _ in range(3)
    }
    assert len(digests) == 1


def test_thousands_of_functions_in_one_file() -> None:
    tree = parse(b"".join(b"def f%d(a):\n    return f%d(a)\n" % (i, i + 1) for i in range(3000)))
    facts = FileFacts(tree)
    start = time.process_time()
    for one in facts.definitions:
        facts.context(one)
    assert time.process_time() - start < 5  # quadratic work would take far longer
