"""Examples from live source: pieces, lines and windows."""

from __future__ import annotations

import numpy as np

from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.tasks import generate
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import Example, line_spans, piece_ids, windows

SPECIALS = SpecialIds(*range(7))


def test_lines_hold_no_newline_and_cover_all_else(
    examples: list[Example], tokenizer: CodeTokenizer
) -> None:
    layout = piece_layout(tokenizer)
    for example in examples:
        for start, end in line_spans(example.pieces, layout):
            text = tokenizer.decode(piece_ids(example.pieces[start:end]))
            assert text.strip() and "\n" not in text.split("'''")[0].split('"""')[0]


def test_windows_share_sites_without_loss(
    examples: list[Example], tokenizer: CodeTokenizer
) -> None:
    layout = piece_layout(tokenizer)
    longest = max(examples, key=lambda e: len(e.pieces))
    parts = windows(longest, 128, layout)
    assert len(parts) > 2
    assert all(len(part.pieces) <= 128 for part in parts)
    assert sum(len(part.sites) for part in parts) > 0.9 * len(longest.sites)
    for part in parts:
        assert len(part.sites) == len(part.site_start) == len(part.options)
        for site in np.flatnonzero(part.site_group >= 0):
            held = part.pieces[part.site_start[site] : part.site_end[site]]
            assert np.array_equal(held, part.names[part.site_state[site]])


def test_a_masked_line_and_its_target_make_the_line_again(
    examples: list[Example], tokenizer: CodeTokenizer
) -> None:
    layout = piece_layout(tokenizer)
    rng = np.random.default_rng(0)
    checked = 0
    for example in examples:
        span = generate.choose_span(example, layout, rng, generate.draw_extent(rng))
        if span is None:
            continue
        hidden = generate.masked(example, span, SPECIALS)
        assert (hidden == SPECIALS.mask).sum() == 1
        written = tokenizer.decode(generate.target(example, span, layout))
        shown = tokenizer.decode(piece_ids(example.pieces[span[0] : span[1]]))
        if len(written) < 200:
            assert written.replace(" ", "") in shown.replace(" ", "") or shown.startswith(
                written[:5]
            )
            checked += 1
    assert checked > 50
