"""The parts that pages are made of, in one style; a page needs no network and no other file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page."""
    style = (resources.files(__package__) / "style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    """Under a heading; nothing for an empty body."""
    return f"<section><h2>{title}</h2>{body}</section>" if body else ""


def figure(picture: str, caption: str) -> str:
    """A picture and how to read it."""
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def grid(figures: Sequence[str]) -> str:
    """Pictures side by side."""
    return f'<div class="grid">{"".join(figures)}</div>' if figures else ""


def cards(rows: Iterable[tuple[str, str, str]]) -> str:
    """Figures at a glance: of each its name, its value and a word on it."""
    shown = "".join(
        f'<div class="card"><span>{escape(name)}</span><b>{value}</b><small>{note}</small></div>'
        for name, value, note in rows
    )
    return f'<div class="cards">{shown}</div>'


def settings(title: str, values: Mapping[str, Any]) -> str:
    """Settings, folded up."""
    text = escape(json.dumps(values, indent=2))
    return f"<details><summary>{title}</summary><pre>{text}</pre></details>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'
