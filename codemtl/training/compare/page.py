"""A comparison as one page, in the style of the training report."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from codemtl.training.compare.figures import curves, gains
from codemtl.training.compare.held_out import MEASURES
from codemtl.training.compare.plan import JOINT, SINGLE
from codemtl.training.compare.tables import NAMES
from codemtl.training.report.elements import cards, figure, section, settings, table
from codemtl.training.report.elements import document as whole
from codemtl.training.report.figures import svg

_PROTOCOL = (
    "Same model, data, tokenizer and settings in all runs; one trial each. <b>Equal updates</b>: a "
    "single-task model gets as many micro-batches of its task as the joint run gives it, so that "
    "the single-task models together cost as much as the joint run. <b>Equal compute</b>: each "
    "single-task model gets as many micro-batches as the whole joint run. <b>Transfer</b>: first "
    "the other task with the most updates, then the task itself with as many updates as in the "
    "joint run. <b>Unrelated</b>: the joint run with the reversal of random pieces as one more "
    "task, its micro-batches on top. The checkpoint of a run is the best of its last and four "
    "earlier looks at validation examples that are not among the held-out cases."
)


def render(document: Mapping[str, Any]) -> str:
    """The page of a document with its tables."""
    first, *others = document["tables"]
    parts = [
        _header(document),
        _cards(document),
        section(escape(first["title"]), figure(
            svg(gains(document)),
            "Points to the right of the line: better than a single-task model. 95% intervals.",
        ) + _table(first)),
    ]  # fmt: skip
    for kind, series in document["series"].items():
        caption = "Means over seeds; the bars span them."
        title = {"fraction": "Less data", "noise": "Wrong labels"}[kind]
        parts.append(section(title, figure(svg(curves(kind, series)), caption)))
    parts += [section(escape(one["title"]), _table(one)) for one in others]
    whole_run = settings("every setting of the joint run", document["settings"])
    parts.append(section("Protocol", f"<p>{_PROTOCOL}</p>{whole_run}"))
    return whole("Comparison of joint and single-task training", parts)


def _table(one: Mapping[str, Any]) -> str:
    head = [escape(cell) for cell in one["head"]]
    rows = [[escape(cell) for cell in row] for row in one["rows"]]
    return f"{table(head, rows)}<p><small>{escape(one['note'])}</small></p>"


def _header(document: Mapping[str, Any]) -> str:
    names = " · ".join(escape(task) for task in document["tasks"])
    seeds = ", ".join(str(seed) for seed in document["seeds"])
    return (
        "<header><h1>Did multi-task learning help?</h1>"
        f"<p>{names} — the joint run takes {document['steps']:,} steps, "
        f"{document['micro_batches']:,} micro-batches of {document['micro_tokens']:,} positions; "
        f"seeds {seeds}</p></header>"
    )


def _cards(document: Mapping[str, Any]) -> str:
    joint = document["arms"].get(JOINT)
    if joint is None:
        return ""
    rows = []
    for task in document["tasks"]:
        gain = joint["against"][SINGLE]["gains"][task][MEASURES[task][0]]
        rows.append((
            NAMES[task], f"{gain['value']:+.1%}",
            f"{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}, joint against single",
        ))  # fmt: skip
    alone = document["arms"][SINGLE]["cost"]["parameters"]
    share = joint["cost"]["parameters"] / max(alone, 1)
    rows.append(("parameters", f"{share:.0%}", f"of {alone / 1e6:.2f} M in single-task models"))
    return cards(rows)
