"""Error analysis of the suites of bugs: what went wrong, with its source, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence

from codemtl.evaluation.cases import RepairCase
from codemtl.evaluation.results import Example, marked
from codemtl.evaluation.scoring import Guess, Scores
from codemtl.evaluation.synthetic import function_at
from codemtl.syntax.edits import unified_diff
from codemtl.syntax.positions import Positions
from codemtl.syntax.tree import parse

MOST = 200  # examples of each sort
OK_ALONE = 0.001  # a less confident finding in clean code alarms nobody


def misses(pairs: Sequence[tuple[RepairCase, Scores]]) -> list[Example]:
    """Bugs that were not repaired, those with the surest wrong finding first."""
    wrong = []
    for case, scores in pairs:
        guess = scores.shown
        if guess is None or not guess.verdict.right:
            wrong.append((0.0 if guess is None else guess.score, case, guess))
    wrong.sort(key=lambda one: -one[0])
    return [_miss(case, guess) for _, case, guess in wrong[:MOST]]


def false_alarms(
    pairs: Sequence[tuple[tuple[RepairCase, int], Scores]],
) -> list[Example]:
    """Findings in clean functions, the surest first."""
    alarms = []
    for (case, start), scores in pairs:
        guess = scores.shown
        if guess is not None and guess.score >= OK_ALONE:
            alarms.append((guess.score, case, start, guess))
    alarms.sort(key=lambda one: -one[0])
    return [_alarm(case, start, guess) for _, case, start, guess in alarms[:MOST]]


def _miss(case: RepairCase, guess: Guess | None) -> Example:
    truth = case.truth
    assert truth is not None
    positions = Positions(case.data)
    spans = [(low, high, "the fix changes this") for low, high in truth.spans]
    facts = [("kind", truth.kind), ("commit", case.origin.commit)]
    if case.origin.message:
        facts.append(("fixed by", case.origin.message))
    if guess is None:
        facts.append(("found", "nothing"))
    else:
        spans.append((guess.edit.start, guess.edit.end, "found"))
        how = "located, other edit" if guess.verdict.located else "elsewhere"
        facts.append(("found", f"{how}: {_proposal(case, guess)}"))
    code = marked(case.data, truth.start, truth.end, spans, positions)
    before = case.data[truth.start : truth.end].decode("utf-8", "replace")
    diff = unified_diff("", before, truth.after)
    code += "\n\nthe fix:\n\n" + "\n".join(diff.split("\n")[2:]).rstrip()
    line = positions.line_column(truth.start)[0]
    return Example(_title(case, line), facts, code, 0.0 if guess is None else guess.score)


def _alarm(case: RepairCase, start: int, guess: Guess) -> Example:
    positions = Positions(case.data)
    function = function_at(parse(case.data), start)
    end = function.node.end_byte if function else guess.edit.end
    facts = [("commit", case.origin.commit), ("found", _proposal(case, guess))]
    spans = [(guess.edit.start, guess.edit.end, "found")]
    code = marked(case.data, start, end, spans, positions)
    return Example(_title(case, positions.line_column(start)[0]), facts, code, guess.score)


def _title(case: RepairCase, line: int) -> str:
    return f"{case.origin.project}: {case.origin.path}:{line}"


def _proposal(case: RepairCase, guess: Guess) -> str:
    original = case.data[guess.edit.start : guess.edit.end].decode("utf-8", "replace")
    return f"{guess.kind}, {guess.score:.1%}: `{original}` → `{guess.edit.replacement}`"
