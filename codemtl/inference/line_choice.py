"""Which of several lines probably stands in the place of a missing one.

What the decoder says of each is weighed together with where it comes from and with what the rest of
the function says (`syntax.missing_line`): a conditional logit over the lines that are proposed for
one place (McFadden 1974), fitted by ``scripts/fit_lines.py`` on lines of training projects.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from codemtl.syntax.missing_line import ENDS, LineFacts, MissingLine, line_facts

MOST = 3  # names, or words, that count


class Proposal(NamedTuple):
    """A line that may stand somewhere, and what speaks for it."""

    text: str
    total: float  # log-probability by the decoder, its end included
    pieces: int  # its end included
    beam: int | None = None  # its place among hypotheses of the decoder, from 0
    rank: int | None = None  # of the place that it stands at, among the similar ones of the file
    alike: float = 0.0  # how alike that place is, `similar.Place.score`
    adapted: bool = False  # its names were changed to those around the place
    begun: bool = False  # the decoder was made to bind a name that is wanted


WEIGHTS = {
    "mean": 1.126,
    "length": -1.309,
    "hypothesis": 1.107,
    "begun": -0.445,
    "beam": -0.596,
    "rank": -0.487,
    "alike": 2.035,
    "adapted": 1.406,
    "passes": -5.272,
    "reads what is unread": 0.955,
    "leaves all unread": -0.929,
    "binds what is wanted": 2.528,
    "leaves what is wanted": -1.710,
    "binds what is not read below": -1.410,
    "undefined": -1.822,
    "new words": -0.931,
    "as a line beside": -2.659,
    "same text": -0.548,
    "ends too early": -1.815,
}


def worth(proposal: Proposal, place: MissingLine | None) -> float:
    """By how much, in nats, a line is likelier than another for the same place."""
    return sum(WEIGHTS[key] * value for key, value in features(proposal, place).items())


def features(proposal: Proposal, place: MissingLine | None) -> dict[str, float]:
    """What speaks for a line and against it, by name; ``place`` where it is in a function."""
    facts = line_facts(proposal.text)
    found = {
        "mean": proposal.total / proposal.pieces,
        "length": math.log(proposal.pieces),
        "hypothesis": float(proposal.beam is not None and not proposal.begun),
        "begun": float(proposal.begun),
        "beam": math.log1p(proposal.beam or 0),
        "rank": math.log1p(proposal.rank or 0),
        "alike": proposal.alike,
        "adapted": float(proposal.adapted),
        "passes": float(facts.kind in ("pass", "ellipsis")),
    }
    return found if place is None else found | _in_function(facts, place)


def _in_function(facts: LineFacts, place: MissingLine) -> dict[str, float]:
    unread = facts.reads & place.unread
    new = [name for name in facts.reads - facts.binds if not place.defined(name)]
    unread_below = bool(facts.binds - place.read_below.keys())
    return {
        "reads what is unread": float(min(len(unread), MOST)),
        "leaves all unread": float(bool(place.unread) and not unread),
        "binds what is wanted": float(bool(facts.binds & place.wanted)),
        "leaves what is wanted": float(bool(place.wanted - facts.binds)),
        "binds what is not read below": float(facts.kind == "assignment" and unread_below),
        "undefined": float(min(len(new), MOST)),
        "new words": float(min(len(facts.words - place.words), MOST)),
        "as a line beside": float(facts.text in place.beside),
        "same text": float(bool(facts.strings & place.strings)),
        "ends too early": float(facts.kind in ENDS and not place.last),
    }
