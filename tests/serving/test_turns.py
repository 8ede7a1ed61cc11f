"""Work in parts gives what it would give as a whole, and ends when nobody waits for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.inference.repair import repair_source
from codemtl.inference.summarize import summarize_source
from codemtl.serving.turns import Abandoned, Turns
from codemtl.syntax.definitions import Definition
from codemtl.syntax.files import SourceFile
from codemtl.syntax.tree import SourceTree

SOURCE = SourceFile.from_bytes(
    b"leng = None\n\n\n"
    + b"".join(
        b"def f%d(a):\n%s    return leng(a)\n\n" % (n, b"    a += a\n" * (n % 7 * 20))
        for n in range(40)
    )
)


class Counting(FakePredictor):
    """Says the name of each function, and counts the parts."""

    parts = 0

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        self.parts += 1
        return [f"Do {one.name}." for one in functions]


def test_parts_are_put_together_in_order() -> None:
    whole = Counting({"leng": "len"})
    turns = Turns(whole)
    asked = turns.until(lambda: False)
    assert repair_source(SOURCE, asked).findings == repair_source(SOURCE, whole).findings
    texts = [one.text for one in summarize_source(SOURCE, asked).summaries]
    assert texts == [f"Do f{n}." for n in range(40)]
    assert 5 < whole.parts < 40


def test_work_that_nobody_waits_for_ends_with_its_part() -> None:
    predictor = Counting()
    asked = Turns(predictor).until(lambda: predictor.parts == 2)
    with pytest.raises(Abandoned):
        summarize_source(SOURCE, asked)
    assert predictor.parts == 2
