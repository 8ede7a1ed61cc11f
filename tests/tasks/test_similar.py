"""What siblings tell: similar lines and summaries, and nothing of the function itself."""

from __future__ import annotations

import numpy as np

from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.actions import FunctionSites
from codemtl.syntax.definitions import find
from codemtl.syntax.tree import parse
from codemtl.tasks import similar
from codemtl.tasks.building import HOLE, build_example, siblings, with_mask
from codemtl.tasks.example import NEAR, Example, Ints, piece_ids
from codemtl.tasks.generate import Generate, prompt
from codemtl.tasks.similar import (
    LINES_LIMIT,
    SUMMARIES_LIMIT,
    Places,
    similar_lines,
    similar_summaries,
)
from codemtl.tasks.summarize import Summarize
from codemtl.tasks.task import Vocabulary

FILE = '''
class Reader:
    def __init__(self, source):
        """Open the source for reading."""
        self.source = source
        self.closed = False
        self.lock = RLock()

    def size(self):
        """Return the size of the source."""
        return len(self.source)


class Writer:
    def __init__(self, target):
        self.target = target
        __codemtl_hole__
        self.lock = RLock()

    def flush(self):
        """Write what is left."""
        def later():
            self.target.hidden_inside()
            return 1
        self.target.flush()
        return later

    def size(self):
        return len(self.target)
'''


def example(tokenizer: CodeTokenizer, qualname: str, text: str = FILE) -> Example:
    tree = parse(text.encode())
    found = find(tree, qualname)
    made = build_example(tree, found.node, FunctionSites([], []), [], tokenizer)
    made.siblings = siblings(tree, found, tokenizer)
    return made


def masked(tokenizer: CodeTokenizer, one: Example, vocabulary: Vocabulary) -> Ints:
    return with_mask(one.pieces, tokenizer, vocabulary.specials.mask)[0]


def told(tokenizer: CodeTokenizer, pieces: Ints) -> list[str]:
    text = tokenizer.decode(piece_ids(pieces))
    assert not text or text.endswith("\n")
    return text.split("\n")[:-1]


def lines(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary, qualname: str, text: str, run: int = 1
) -> list[str]:
    one = example(tokenizer, qualname, text)
    with_hole = masked(tokenizer, one, vocabulary)
    mask = vocabulary.specials.mask
    return told(tokenizer, similar_lines(one, with_hole, mask, vocabulary.layout, run))


def test_the_line_at_the_most_similar_place_comes_first(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    found = lines(tokenizer, vocabulary, "Writer.__init__", FILE)
    assert found[0] == "self.closed=False"
    assert len(set(found)) == len(found)


def test_of_a_place_is_known_what_stands_around(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    one = example(tokenizer, "Writer.__init__")
    with_hole = masked(tokenizer, one, vocabulary)
    mask, layout = vocabulary.specials.mask, vocabulary.layout
    found = Places.around_mask(one, with_hole, mask, layout)
    assert found is not None and found[1] == 2
    places = list(found[0].similar(2))

    def text(pieces: Ints) -> str:
        return tokenizer.decode(piece_ids(pieces))

    assert text(places[0].line) == "self.closed=False"
    assert text(places[0].name) == "def__init__("
    assert [(text(a), text(b)) for a, b in places[0].around] == [
        ("self.source=source", "self.target=target"),
        ("self.lock=RLock()", "self.lock=RLock()"),
        ("def__init__(self,source):", "def__init__(self,target):"),
    ]
    scores = [place.score for place in places]
    assert scores == sorted(scores, reverse=True) and scores[-1] > 0
    one.siblings = None
    assert Places.around_mask(one, with_hole, mask, layout) is None


def test_a_run_of_lines_stays_in_its_function(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    text = FILE.replace("__codemtl_hole__\n        self.lock = RLock()", HOLE)
    found = lines(tokenizer, vocabulary, "Writer.__init__", text, run=2)
    at = found.index("self.closed=False")
    assert found[at + 1] == "self.lock=RLock()"
    whole = lines(tokenizer, vocabulary, "Writer.__init__", text, run=50)
    assert "self.closed=False" in whole and "defsize(self):" in whole


def test_what_is_around_or_inside_tells_nothing(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    text = FILE.replace("        __codemtl_hole__\n", "")
    outer = text.replace("self.target.flush()", HOLE)
    assert not any("hidden" in line for line in lines(tokenizer, vocabulary, "Writer.flush", outer))
    inner = text.replace("return 1", HOLE)
    found = lines(tokenizer, vocabulary, "Writer.flush.<locals>.later", inner)
    assert found and "self.target.flush()" not in found


def test_no_more_is_told_than_the_limit(tokenizer: CodeTokenizer, vocabulary: Vocabulary) -> None:
    body = "\n".join(f"    value_{n} = first({n})\n    other_{n} = {n}" for n in range(200))
    own = f"def own():\n    value_0 = first(0)\n    {HOLE}\n"
    text = f"{own}\n\ndef long():\n{body}\n"
    one = example(tokenizer, "own", text)
    with_hole = masked(tokenizer, one, vocabulary)
    found = similar_lines(one, with_hole, vocabulary.specials.mask, vocabulary.layout)
    assert LINES_LIMIT / 2 < len(found) <= LINES_LIMIT
    assert told(tokenizer, found)[0] == "other_0=0"


def test_lines_too_long_are_left_out(tokenizer: CodeTokenizer, vocabulary: Vocabulary) -> None:
    text = FILE.replace("self.closed = False", f"self.closed = {list(range(100))}")
    found = lines(tokenizer, vocabulary, "Writer.__init__", text)
    assert found and not any(line.startswith("self.closed") for line in found)


def test_summaries_of_similar_functions_come_first_and_once(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    one = example(tokenizer, "Writer.size")
    found = told(tokenizer, similar_summaries(one, vocabulary.layout))
    assert found[0] == "defsize(Return the size of the source."
    assert sorted(found)[0] == "def__init__(Open the source for reading."
    text = FILE + '\n\ndef size(self):\n    """Return the size of the source."""\n'
    again = told(
        tokenizer, similar_summaries(example(tokenizer, "Writer.size", text), vocabulary.layout)
    )
    assert sum("Return the size" in line for line in again) == 1


def test_ones_own_summary_is_not_told(tokenizer: CodeTokenizer, vocabulary: Vocabulary) -> None:
    found = told(tokenizer, similar_summaries(example(tokenizer, "Reader.size"), vocabulary.layout))
    assert found and not any("size" in line for line in found)


def test_many_summaries_are_cut_at_the_limit(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    text = "".join(
        f'def get_{n}(self):\n    """Return the {n}th of all values."""\n    return self.v{n}\n\n'
        for n in range(60)
    )
    found = similar_summaries(example(tokenizer, "get_30", text), vocabulary.layout)
    assert SUMMARIES_LIMIT / 2 < len(found) <= SUMMARIES_LIMIT


def test_alone_nothing_is_told(tokenizer: CodeTokenizer, vocabulary: Vocabulary) -> None:
    one = example(tokenizer, "own", f"def own():\n    {HOLE}\n")
    with_hole = masked(tokenizer, one, vocabulary)
    mask, layout = vocabulary.specials.mask, vocabulary.layout
    for siblings_of in (one.siblings, None):
        one.siblings = siblings_of
        assert len(similar_lines(one, with_hole, mask, layout)) == 0
        assert len(similar_summaries(one, layout)) == 0
    assert HOLE not in tokenizer.decode(piece_ids(with_hole))


def test_the_nearest_functions_of_a_large_file_are_known(tokenizer: CodeTokenizer) -> None:
    text = "".join(f"def f{n}():\n    return {n}\n\n" for n in range(3 * NEAR))
    middle = example(tokenizer, f"f{NEAR + 5}", text).siblings
    first = example(tokenizer, "f0", text).siblings
    assert middle is not None and first is not None
    assert len(middle.functions) == 2 * NEAR and len(first.functions) == NEAR
    assert "f5(" in tokenizer.decode(piece_ids(middle.functions[0]))


def test_prompts_hold_what_is_told_before_the_context(
    tokenizer: CodeTokenizer, vocabulary: Vocabulary
) -> None:
    one = example(tokenizer, "Writer.__init__")
    one.context = np.array(tokenizer.encode("class Writer"), np.int32)
    with_hole = masked(tokenizer, one, vocabulary)
    wanted = similar_lines(one, with_hole, vocabulary.specials.mask, vocabulary.layout)
    found = prompt(one, with_hole, np.zeros(0, np.int32), vocabulary, "line")
    start = [vocabulary.specials.ctx, *wanted, *one.context, vocabulary.specials.fn]
    assert found[: len(start)].tolist() == start
    summaries = similar_summaries(one, vocabulary.layout)
    start = [vocabulary.specials.ctx, *summaries, *one.context, vocabulary.specials.fn]
    assert Summarize().prompt(one, vocabulary)[: len(start)].tolist() == start


def test_what_is_told_counts_as_length() -> None:
    class Columns:
        lengths, summaries = np.array([10, 20]), np.array([3, 0])
        siblings = np.array([7, 10_000])
        site_counts, buggy = np.zeros(2), np.zeros(2, bool)

    assert Generate().lengths(Columns()).tolist() == [20, 20 + similar.LINES_LIMIT]
    assert Summarize().lengths(Columns()).tolist() == [17, 20 + similar.SUMMARIES_LIMIT]
