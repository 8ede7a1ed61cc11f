"""All candidate edits of a function, each with an estimate of how probably it is the repair.

    p ∝ p(here) · p(rule) · share among the rule's proposals here

Where several rules propose the same text, their estimates add up.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple

from tree_sitter import Node

from codemtl.errors import EditError
from codemtl.search.priors import COMPARISON_SHARES, RULES, SITE_RULES, Rule
from codemtl.search.rules.calls import call_rules
from codemtl.search.rules.conditions import condition_rules
from codemtl.search.rules.literals import literal_rules
from codemtl.search.rules.members import member_rules
from codemtl.search.rules.names import ECHO, LIKENESS, echoes, likeness
from codemtl.search.rules.omissions import function_rules, word_rules
from codemtl.search.rules.proposal import Proposal
from codemtl.search.rules.statements import statement_rules
from codemtl.search.rules.terms import item_rules, term_rules
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.sites import ACTIONS, edit_for, edit_for_name, enumerate_sites
from codemtl.syntax.tree import SourceTree

TRUST, DOUBT = 0.4, 0.01  # how far the repair head's probabilities move ours
MAX_PROPOSALS = 160  # of one rule at one node, those with the largest shares
_LINE_FEED = re.compile(r"(?<!\r)\n")
Location = Callable[[int, int], float]  # weight of the bytes start:end of the file as a place
EXPRESSION_RULES = (
    literal_rules, term_rules, call_rules, member_rules, condition_rules, word_rules,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to change a file. ``weight`` is an estimate of its probability, up to a factor."""

    edits: tuple[Edit, ...]
    weight: float
    rule: str
    kind: str
    function: str | None

    def text(self, data: bytes) -> bytes:
        """The whole file with the edits made; EditError if they overlap."""
        return apply(data, self.edits)

    def weighing(self, weight: float) -> Candidate:
        """The same with another weight; there can be hundreds of thousands of them."""
        return Candidate(self.edits, weight, self.rule, self.kind, self.function)


def function_candidates(view: FunctionView, location: Location) -> list[Candidate]:
    """The candidates of one function, in no order."""
    weights: dict[tuple[Edit, ...], float] = defaultdict(float)
    rules: dict[tuple[Edit, ...], tuple[float, str, str]] = {}

    def add(edits: tuple[Edit, ...], weight: float, rule: str, kind: str) -> None:
        weights[edits] += weight
        if weight > rules.get(edits, (0.0, "", ""))[0]:
            rules[edits] = (weight, rule, kind)

    for group in groups(view, location):
        here = location(*group.place) * group.rule.weight
        if view.failures.errors and group.proposals:
            line = view.tree.data.count(b"\n", 0, group.place[0]) + 1
            here *= view.failures.factor(group.proposals[0].rule, line)
        for one, share in group.shares() if here > 0 else ():
            add(one.edits, here * share, one.rule, group.kind)
    function = view.definition.qualname or None
    crlf = b"\r\n" in view.tree.data
    return [
        Candidate(_with_crlf(edits) if crlf else edits, weight, *rules[edits][1:], function)
        for edits, weight in weights.items()
    ]


def _with_crlf(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """New lines end as those of the file do."""
    return tuple(Edit(e.start, e.end, _LINE_FEED.sub("\r\n", e.replacement)) for e in edits)


def ranked(
    candidates: Sequence[Candidate], model: Mapping[Edit, float], total: float | None = None
) -> list[Candidate]:
    """Candidates with weights as shares of ``total`` (of their own sum), most probable first.

    ``model`` gives the repair head's scores of single edits. What it knows of the closed
    vocabulary moves an edit up or down among its like, by a power of the ratio of the model's
    probability to ours.
    """
    weights = [one.weight for one in candidates]
    ours = sum(weights)
    if model:
        _move(candidates, weights, model)
    moved = sum(weights)
    scale = (ours / moved if moved else 1.0) / (total or ours or 1.0)
    order = sorted(range(len(weights)), key=weights.__getitem__, reverse=True)
    return [candidates[at].weighing(weights[at] * scale) for at in order]


def _move(
    candidates: Sequence[Candidate], weights: list[float], model: Mapping[Edit, float]
) -> None:
    closed = [
        at for at, one in enumerate(candidates)
        if len(one.edits) == 1 and (one.edits[0] in model or one.rule in SITE_RULES)
    ]  # fmt: skip
    said = sum(model.get(candidates[at].edits[0], 0.0) for at in closed)
    ours = sum(weights[at] for at in closed)
    for at in closed if said > 0 else ():
        ratio = (model.get(candidates[at].edits[0], 0.0) / said) / (weights[at] / ours)
        weights[at] *= (ratio + DOUBT) ** TRUST


class Group(NamedTuple):
    """What one rule proposes at one node, and where that is."""

    name: str  # a key of RULES, or "site " and one of SITE_RULES
    rule: Rule
    kind: str
    proposals: list[Proposal]
    place: tuple[int, int]

    def shares(self) -> Iterator[tuple[Proposal, float]]:
        """The proposals with the largest shares, as parts of the whole."""
        total = sum(one.share for one in self.proposals)
        for one in nlargest(MAX_PROPOSALS, self.proposals, key=lambda one: one.share):
            if total > 0:
                yield one, one.share / total


def groups(view: FunctionView, location: Location) -> Iterator[Group]:
    """Everything that is proposed for a function, where ``location`` is not 0."""
    if not view.is_module:
        yield from _of_sites(view)
    for node in view.expressions:
        if not location(node.start_byte, node.end_byte):
            continue
        for rules in EXPRESSION_RULES:
            yield from _by_rule(rules(view, node), node)
    for node in view.nodes():
        yield from _by_rule(item_rules(view, node), node)
    for node in view.statements[:1]:
        yield from _by_rule(function_rules(view), node)
    for node in view.statements:
        head = _head(node)
        if not location(head.start_byte, head.end_byte):
            continue
        yield from _by_rule(statement_rules(view, node), head)


def _by_rule(proposals: Iterator[Proposal], node: Node) -> Iterator[Group]:
    found: dict[str, list[Proposal]] = defaultdict(list)
    for one in proposals:
        found[one.rule].append(one)
    for name, members in found.items():
        yield Group(name, RULES[name], RULES[name].kind, members, (node.start_byte, node.end_byte))


def _head(node: Node) -> Node:
    """Of a compound statement the first line decides how suspicious it is."""
    first = node.named_children[0] if node.named_children else node
    return first if first.start_point[0] == node.start_point[0] else node


def _of_sites(view: FunctionView) -> Iterator[Group]:
    """What the closed vocabulary permits: the same sites that the repair head scores."""
    tree = view.tree
    found = enumerate_sites(tree, view.node, view.scopes)
    for site in found.sites:
        rule = SITE_RULES[site.family]
        proposals = []
        anchor = tree.root.descendant_for_byte_range(site.start, site.end)
        if site.candidates >= 0:
            for name in found.groups[site.candidates]:
                if name != site.state:
                    share = 2.0 if name in view.names else 0.5
                    share *= 1 + LIKENESS * likeness(site.state, name)
                    if anchor is not None and echoes(view, anchor, name):
                        share *= ECHO
                    proposals.append(
                        Proposal(site.family, (edit_for_name(tree, site, name),), share)
                    )
        for action in site.options:
            try:
                edit = edit_for(tree, site, action)
            except EditError:
                continue
            share = COMPARISON_SHARES.get((site.state, ACTIONS[action].label), 1.0)
            proposals.append(Proposal(site.family, (edit,), share))
        place = (site.anchor_start, site.anchor_end)
        yield Group(f"site {site.family}", rule, site.kind, proposals, place)


class Normalizer:
    """Tells whether a candidate parses, and which ones are the same code in other words.

    Only the function around the edits is read anew, or else the statement of the module.
    """

    def __init__(self, tree: SourceTree) -> None:
        self.data = tree.data
        self.seen: set[str] = set()
        self.spans = [
            span
            for span in (*_outer_functions(tree), *_statements(tree))
            if self._is_new(span, self.data[span.start : span.end])  # as it stands: no candidate
        ]

    def is_new(self, edits: Sequence[Edit]) -> bool:
        """Whether the edited code compiles and was not seen before; remembers it."""
        found = self._edited(edits)
        return found is not None and self._is_new(*found)

    def compiles(self, edits: Sequence[Edit]) -> bool:
        """Whether the edited code compiles, seen before or not."""
        found = self._edited(edits)
        return found is not None and _dump(found[0].head + found[1]) is not None

    def _edited(self, edits: Sequence[Edit]) -> tuple[_Span, bytes] | None:
        """The code around edits that can be compiled alone, edited; None if they overlap."""
        start, end = min(e.start for e in edits), max(e.end for e in edits)
        around = [one for one in self.spans if one.start <= start and end <= one.end + 1]
        span = around[0] if around else _Span(0, len(self.data))
        inner = [Edit(e.start - span.start, e.end - span.start, e.replacement) for e in edits]
        try:
            return span, apply(self.data[span.start : max(span.end, end)], inner)
        except EditError:
            return None

    def _is_new(self, span: _Span, text: bytes) -> bool:
        dumped = _dump(span.head + text)
        key = f"{span.start}:{dumped}"
        if dumped is None or key in self.seen:
            return False
        self.seen.add(key)
        return True


class _Span(NamedTuple):
    """Bytes of a file that can be compiled alone, below a header."""

    start: int
    end: int
    head: bytes = b""


def _statements(tree: SourceTree) -> list[_Span]:
    """The statements of the module."""
    found = tree.root.named_children
    return [_Span(one.start_byte, one.end_byte) for one in found if one.type != "comment"]


def _outer_functions(tree: SourceTree) -> list[_Span]:
    """Functions that stand in no other, those of classes included; indented ones below a header."""
    found = []
    stack = [tree.root]
    while stack:
        node = stack.pop()
        if node.type != "function_definition":
            stack += node.named_children
            continue
        start = tree.data.rfind(b"\n", 0, node.start_byte) + 1
        if not tree.data[start : node.start_byte].strip():
            head = b"class _:\n" if start < node.start_byte else b""
            found.append(_Span(start, node.end_byte, head))
    return found


def _dump(text: bytes) -> str | None:
    """A text's syntax tree, written out; None if it does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(tree, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return ast.dump(tree)
