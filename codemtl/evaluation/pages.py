"""What ``codemtl evaluate --out DIR`` writes: figures, pictures, a page, and error analysis.

    metrics.json  report.html  precision-recall.png  reliability.png  misses.md  false_alarms.md

Pictures are drawn for the first suite of bugs; the page holds them, so that it is one file.
"""

from __future__ import annotations

import base64
import html
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codemtl.errors import MissingExtraError, WriteError
from codemtl.evaluation.results import PRIOR, Example, SuiteResult, Table
from codemtl.evaluation.run import Evaluation
from codemtl.model.atomic import write_atomic

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } caption { text-align: left;
font-weight: 600 } td, th { border: 1px solid #bbb; padding: .2rem .6rem; text-align: left }
pre { background: #f5f5f5; padding: .7rem; overflow-x: auto } img { max-width: 100% }
"""
_FENCE = "```"


def check_extra() -> None:
    """Whether pictures can be drawn at all; MissingExtraError says what to install."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("matplotlib", "evaluate") from error


def check_writable(folder: Path) -> None:
    """Raise WriteError if a folder cannot be written to, or be made; it is not made."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_folder(done: Evaluation, folder: Path) -> list[Path]:
    """Write everything; the files, in their order. Raises WriteError."""
    pictures = dict(_pictures(done.results))
    texts = {
        "metrics.json": json.dumps(done.document(), indent=1) + "\n",
        "report.html": page(done, pictures),
        "misses.md": _examples("Misses", done, "misses"),
        "false_alarms.md": _examples("False alarms", done, "false_alarms"),
    }
    files = {name: text.encode("utf-8", "replace") for name, text in texts.items()} | pictures
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write_atomic(folder / name, data)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return [folder / name for name in files]


def _unwritable(folder: Path, error: OSError) -> WriteError:
    return WriteError(f"cannot write to {folder}: {error.strerror}; choose another --out")


def page(done: Evaluation, pictures: dict[str, bytes]) -> str:
    """One HTML page with all tables, the pictures inside."""
    parts = [f"<h1>codemtl evaluate</h1>{_list(done.facts)}"]
    for result in done.results:
        parts.append(f"<h2>{html.escape(result.suite)}</h2>{_list(result.facts)}")
        parts += [_table(one) for one in result.tables]
        for title, examples in (("Misses", result.misses), ("False alarms", result.false_alarms)):
            if examples:
                parts.append(f"<details><summary>{title}: {len(examples)}</summary>")
                parts += [_example(one) for one in examples[:20]]
                parts.append("</details>")
    for name, data in pictures.items():
        image = base64.b64encode(data).decode()
        parts.append(f'<p><img alt="{name}" src="data:image/png;base64,{image}"></p>')
    body = "\n".join(parts)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>codemtl evaluate</title>'
        f"<style>{_STYLE}</style>\n{body}\n</html>\n"
    )


def _list(facts: dict[str, Any]) -> str:
    items = (f"{html.escape(key)}: {html.escape(str(value))}" for key, value in facts.items())
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    rows = "".join(row(cells, "td") for cells in table.rows)
    note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
    caption = html.escape(table.title)
    return f"<table><caption>{caption}</caption>{row(table.head, 'th')}{rows}</table>{note}"


def _example(example: Example) -> str:
    facts = "".join(f"<br>{html.escape(k)}: {html.escape(v)}" for k, v in example.facts)
    return (
        f"<p><b>{html.escape(example.title)}</b>{facts}</p><pre>{html.escape(example.code)}</pre>"
    )


def _examples(title: str, done: Evaluation, kind: str) -> str:
    """Markdown, the most telling first."""
    lines = [f"# {title}", "", f"`{done.facts['command']}`", ""]
    for result in done.results:
        found: list[Example] = getattr(result, kind)
        if not found:
            continue
        lines += [f"## {result.suite} ({len(found)})", ""]
        for example in sorted(found, key=lambda one: -one.rank):
            fence = _FENCE
            while fence in example.code:
                fence += "`"
            lines += [f"### {example.title}", ""]
            lines += [f"- {key}: {_inline(value)}" for key, value in example.facts]
            lines += ["", f"{fence}text", example.code, fence, ""]
    return "\n".join(lines) + "\n"


def _inline(text: str) -> str:
    return " ⏎ ".join(text.splitlines())


def _pictures(results: Sequence[SuiteResult]) -> Iterator[tuple[str, bytes]]:
    result = next((one for one in results if one.curves), None)
    if result is None:
        return
    check_extra()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, (precision, recall) in result.curves.items():
        axes.step(recall, precision, where="post", label=name)
    axes.set(
        xlabel="recall (joint)", ylabel="precision", ylim=(0, 1.02),
        title=f"{result.suite}: {PRIOR:.0%} of functions have a bug",
    )  # fmt: skip
    found = [float(recall.max()) for _, recall in result.curves.values() if len(recall)]
    axes.set_xlim(0, max(0.05, *found, 0.05))
    axes.legend()
    yield "precision-recall.png", _png(figure)
    figure = Figure(figsize=(4.8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=1)
    confidence = [one.confidence for one in result.bins]
    right = [one.right for one in result.bins]
    axes.plot(confidence, right, marker="o")
    axes.set(
        xlabel="mean confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1),
        title=f"{result.suite}: reliability of the product",
    )  # fmt: skip
    yield "reliability.png", _png(figure)


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()
