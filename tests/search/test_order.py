"""Where to look first: suspicion of lines, the queue of candidates, the ranking of patches."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.search.candidates import Candidate
from codemtl.search.localization import DECIDES, OUTSIDE, RAISED, STOPPED, Suspicion
from codemtl.search.naturalness import naturalness
from codemtl.search.outcomes import Baseline, TestOutcome
from codemtl.search.patches import Passing, best_first
from codemtl.search.queue import PROMISING, CandidateQueue, Item
from codemtl.syntax.edits import Edit
from codemtl.syntax.tree import parse

PATH = Path("a.py")
SOURCE = b"""def f(x):
    y = x + 1
    if y > 2:
        y = 0
    while y:
        y += 1
    return y


def g(x):
    return x
"""


def outcome(
    passed: bool, lines: set[int], trace: tuple[int, ...] = (), late: bool = False
) -> TestOutcome:
    return TestOutcome(
        "t", passed, 0.1, {PATH: frozenset(lines)}, tuple((PATH, n) for n in trace), timed_out=late
    )


def suspicion(*tests: TestOutcome) -> Suspicion:
    return Suspicion(parse(SOURCE), PATH, Baseline("failing", tests=tests))


def at(text: bytes) -> tuple[int, int]:
    start = SOURCE.index(text)
    return start, start + len(text)


def test_lines_of_failing_tests_only_are_the_most_suspicious() -> None:
    found = suspicion(outcome(False, {2, 3, 4, 5, 7}), outcome(True, {2, 3, 5, 7}))
    assert found(*at(b"y = 0")) == 1.0
    assert 0 < found(*at(b"x + 1")) < 1.0
    assert found(*at(b"return x")) == 0


def test_where_it_raised_and_where_it_was_stopped() -> None:
    raised = suspicion(outcome(False, {2, 3}, trace=(3,)))
    assert raised(*at(b"y > 2")) == RAISED * raised(*at(b"x + 1"))
    stopped = suspicion(outcome(False, {2, 3, 5, 6}, trace=(6,), late=True))
    assert stopped(*at(b"y += 1")) == DECIDES * STOPPED * stopped(*at(b"x + 1"))
    assert stopped(*at(b"while y")) > stopped(*at(b"x + 1"))


def test_functions_that_no_failing_test_runs_are_left_out() -> None:
    found = suspicion(outcome(False, {2}))
    functions = [node for node in parse(SOURCE).root.named_children]
    assert [found.covers(node) for node in functions] == [True, False]


def test_without_coverage_all_lines_are_alike() -> None:
    found = suspicion(TestOutcome("t", False, 0.1))
    assert found(*at(b"x + 1")) == found(*at(b"return x")) == 1.0
    assert found.covers(parse(SOURCE).root.named_children[1])


def test_outside_of_functions_counts_what_suspicious_lines_use() -> None:
    source = b"BASE = 61\nOTHER = 2\nprint(BASE)\nclass A:\n    K = 1\n    def f(self):\n"
    source += b"        return BASE * self.K\n"
    test = outcome(False, {7})
    found = Suspicion(parse(source), PATH, Baseline("failing", tests=(test,)))

    def outside(text: bytes) -> float:
        return found.outside(source.index(text), source.index(text) + len(text))

    assert outside(b"61") == outside(b"K = 1") == OUTSIDE
    assert outside(b"2") == outside(b"print(BASE)") == 0


def item(start: int, weight: float, text: str = "z", rule: str = "donor") -> Item:
    return Item(PATH, Candidate((Edit(start, start + 1, text),), weight, rule, "rewrite", "f"))


def test_the_queue_gives_the_most_probable_first_then_pairs() -> None:
    queue = CandidateQueue([item(0, 0.1), item(10, 0.6), item(20, 0.3)])
    found = [one.candidate for one in queue]
    assert [one.weight for one in found[:3]] == [0.6, 0.3, 0.1]
    assert all(len(one.edits) == 2 for one in found[3:])
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)


def test_a_promising_edit_is_completed_at_once() -> None:
    many = [item(10 * n, 0.5 / (n + 1)) for n in range(50)]
    queue = CandidateQueue(many)
    first = list(islice(queue, 10))
    queue.promising(first[9])
    following = list(islice(queue, 3))
    assert any(len(one.candidate.edits) == 2 for one in following)
    assert all(set(first[9].candidate.edits) <= set(one.candidate.edits)
               for one in following if len(one.candidate.edits) == 2)  # fmt: skip


def test_the_more_edits_are_promising_the_less_each_says() -> None:
    many = [item(10 * n, 0.1) for n in range(10)]
    queue = CandidateQueue(many)
    for one in many[:3]:
        queue.promising(one)
    weights = [one.candidate.weight for one in queue if len(one.candidate.edits) == 2]
    assert sorted({round(one, 6) for one in weights}, reverse=True)[:3] == [
        pytest.approx(share * PROMISING * 0.1) for share in (1, 2 / 3, 2 / 4)
    ]


def test_edits_of_one_place_are_never_paired() -> None:
    queue = CandidateQueue([item(0, 0.5, "a"), item(0, 0.4, "b"), item(1, 0.1, "c")])
    for one in queue:
        edits = sorted(one.candidate.edits)
        assert all(a.end <= b.start for a, b in pairwise(edits))


def passing(start: int, end: int, text: str, weight: float, rule: str = "donor") -> Passing:
    edit = Edit(start, end, text)
    return Passing(PATH, Candidate((edit,), weight, rule, "rewrite", "f"), SOURCE, 1)


def test_probable_patches_come_first() -> None:
    start, end = at(b"y > 2")
    low, high = passing(start, end, "y > 1", 0.1), passing(start, end, "y < 2", 0.2)
    assert best_first([low, high], "") == [high, low]


def test_patches_that_take_away_or_copy_from_the_test_come_last() -> None:
    start, end = at(b"        y = 0\n")
    deletion = passing(start, end, "", 0.3, "delete")
    place = at(b"x + 1")
    special = passing(*place, "37 if x else 1", 0.3)
    honest = passing(*at(b"y > 2"), "y < 2", 0.2)
    assert best_first([deletion, special, honest], "assert f(3) == 37")[0] is honest


def test_agreement_counts() -> None:
    start, end = at(b"y > 2")
    alone = passing(*at(b"x + 1"), "x + 3", 0.2)
    agreeing = [passing(start, end, text, 0.15) for text in ("y > 3", "y > 4", "y > 5")]
    assert best_first([alone, *agreeing], "")[0] in agreeing


def test_a_line_that_somebody_would_write_comes_first() -> None:
    start, end = at(b"y > 2")
    odd, plain = passing(start, end, "y > y", 0.2), passing(start, end, "y > 3", 0.1)
    lost = passing(*at(b"        y = 0\n"), "", 0.01)
    predictor = FakePredictor(generated=["if y > 3:"])
    points = naturalness([odd, plain, lost], {PATH: parse(SOURCE)}, predictor)
    assert points == [0.0, 5.0, 0.0]
    assert best_first([odd, plain, lost], "", points)[0] is plain
    assert best_first([odd, plain, lost], "")[0] is odd


def test_a_promising_edit_is_completed_in_other_files_too() -> None:
    def item(path: str, start: int, weight: float) -> Item:
        return Item(Path(path), Candidate((Edit(start, start + 1, "x"),), weight, "r", "k", None))

    one, two, three = item("a.py", 0, 0.5), item("a.py", 9, 0.3), item("b.py", 0, 0.2)
    queue = CandidateQueue([one, two, three])
    tried = list(islice(queue, 3))
    assert tried == [one, two, three], "pairs of what showed nothing come later"
    queue.promising(one)
    pairs = list(islice(queue, 2))
    assert [len(pair.candidate.edits) for pair in pairs] == [2, 1]
    assert pairs[1].parts == ((one.path, pairs[1].candidate), (three.path, three.candidate))
    assert pairs[1].candidate.edits == one.candidate.edits
    assert pairs[1].candidate.weight == pytest.approx(PROMISING * three.candidate.weight)
    assert all(not pair.beside for pair in queue), "blind pairs are of one file"
