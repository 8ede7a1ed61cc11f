"""What ``codemtl finetune`` says: how the code was divided, before and after, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codemtl.report.output import print_json, print_line
from codemtl.report.tables import print_table


def finetuned(document: Mapping[str, Any], *, style: str) -> int:
    """Print the document of a fine-tuning; the exit code is 0."""
    if style == "json":
        print_json(document)
        return 0
    for one in document["repositories"]:
        print_line(f"{one['project']}: {_division(one)}")
    for name, counts in document["data"].items():
        told = ", ".join(f"{split} {number}" for split, number in counts.items()) or "none"
        print_line(f"{name.replace('_', ' ') + ':':14} {told}")
    training, seconds = document["training"], document["seconds"]
    print_line(
        f"{'training:':14} {training['steps']} steps in {seconds['training']:.0f} s, of which step"
        f" {training['step']} was chosen; {seconds['spent']:.0f} s in all"
    )
    by_time = all(one["by"] == "time" for one in document["repositories"])
    rows = [
        [one["task"], one["measure"], f"{one['n']}", *_change(one)] for one in document["figures"]
    ]
    print_table({
        "title": f"{'Later commits' if by_time else 'Held-out code'}, before and after"
        " (95% interval)",
        "head": ["task", "measure", "n", "before", "after", "change"], "rows": rows,
        "note": "",
    })  # fmt: skip
    for note in document["notes"]:
        print_line(f"note: {note}")
    print_line(f"wrote {document['out']}; use it by --model {document['out']}", "green")
    return 0


def _division(one: Mapping[str, Any]) -> str:
    if one["by"] != "time":
        return f"divided by file, as {one['reason']}"
    (train, validation, test), names = (date[:10] for date in one["dates"]), one["commits"]
    return (
        f"trained on its code of {train} ({names[0][:8]}), checkpoint chosen on changes until"
        f" {validation} ({names[1][:8]}), judged by changes until {test} ({names[2][:8]})"
    )


def _change(one: Mapping[str, Any]) -> list[str]:
    before, after = one["before"], one["after"]
    share = one["unit"] == "share"
    cells = [_interval(value, share) for value in (before, after)]
    if before["value"] is None or after["value"] is None:
        return [*cells, "-"]
    change = after["value"] - before["value"]
    return [*cells, f"{100 * change:+.1f} points" if share else f"{change:+.2f}"]


def _interval(value: Mapping[str, float | None], share: bool) -> str:
    middle, low, high = value["value"], value["low"], value["high"]
    if middle is None:
        return "-"
    text = f"{middle:.1%}" if share else f"{middle:.2f}"
    if low is None or high is None:
        return text
    scale = 100 if share else 1
    return f"{text} ({scale * low:.1f}-{scale * high:.1f})"
