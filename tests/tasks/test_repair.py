"""Corruption on pieces must be undone by its own labels, and labels must be permitted."""

from __future__ import annotations

import numpy as np
import pytest

from codemtl.corpus.synthetic import sample_bug
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.actions import ACTIONS
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import FunctionSites, enumerate_sites
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks import corruption, repair
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.building import build_example, mark_fix
from codemtl.tasks.example import Example, Layout, windows

SPECIALS = SpecialIds(*range(7))


def test_without_picks_nothing_changes(examples: list[Example]) -> None:
    for example in examples:
        item = corruption.as_input(example)
        assert np.array_equal(item.pieces, example.pieces)
        assert not item.replaced.any()


@pytest.mark.parametrize("dense", [True, False])
def test_labels_are_permitted_and_differ_from_what_stands_there(
    examples: list[Example], dense: bool
) -> None:
    corrupt = corruption.corrupt_dense if dense else corruption.corrupt_single
    rng = np.random.default_rng(1)
    seen = 0
    for example in examples:
        item = corrupt(example, rng)
        for site in np.flatnonzero(item.replaced):
            seen += 1
            if item.group[site] >= 0:
                group = example.groups[item.group[site]]
                assert item.name[site] in group
                assert item.name[site] != item.state[site]
            else:
                assert item.action[site] in item.permitted[site]
                assert item.state[site] not in item.permitted[site]
        assert not dense or item.replaced.sum() == (item.name >= 0).sum() + (item.action >= 0).sum()
        assert dense or item.replaced.sum() <= 1
    assert seen > (100 if dense else 30)


def test_a_single_name_bug_is_undone_by_its_label(examples: list[Example]) -> None:
    rng = np.random.default_rng(2)
    undone = 0
    for example in examples:
        item = corruption.corrupt_single(example, rng, clean=0.0)
        for site in np.flatnonzero(item.name >= 0):
            start, end = item.start[site], item.end[site]
            fixed = np.concatenate(
                [item.pieces[:start], example.names[item.name[site]], item.pieces[end:]]
            )
            assert np.array_equal(fixed, example.pieces)
            undone += 1
    assert undone > 20


def test_slots_still_hold_their_names_after_corruption(examples: list[Example]) -> None:
    rng = np.random.default_rng(3)
    checked = 0
    for example in examples:
        item = corruption.corrupt_dense(example, rng)
        for site in np.flatnonzero((item.group >= 0) & (item.state >= 0)):
            held = item.pieces[item.start[site] : item.end[site]]
            assert np.array_equal(held, example.names[item.state[site]])
            checked += 1
    assert checked > 1000


def test_a_batch_counts_what_it_holds(examples: list[Example]) -> None:
    rng = np.random.default_rng(4)
    inputs = [corruption.corrupt_single(e, rng) for e in examples[:24]]
    batch = repair.collate(inputs, SPECIALS, dense=False)
    arrays = batch.arrays
    assert batch.counts["bug"] == len(inputs)
    assert batch.counts["edit"] == batch.counts["site"] == arrays["bug"].sum()
    assert arrays["action_mask"].shape[-1] == len(ACTIONS)
    rows, sites = np.nonzero(arrays["action_label"] >= 0)
    assert arrays["action_mask"][rows, sites, arrays["action_label"][rows, sites]].all()
    rows, sites = np.nonzero(arrays["name_label"] >= 0)
    assert arrays["name_mask"][rows, sites, arrays["name_label"][rows, sites]].all()
    width = arrays["input_ids"].shape[1]
    assert (arrays["site_last"] < width).all()
    assert arrays["lengths"].max() == width


def test_function_without_sites_makes_a_batch(examples: list[Example]) -> None:
    bare = [e for e in examples if not len(e.site_family)]
    chosen = [*bare[:1], examples[0]]
    batch = repair.collate([corruption.as_input(e) for e in chosen], SPECIALS, dense=True)
    assert batch.arrays["site_mask"].shape[0] == len(chosen)


def test_real_bugs_are_labelled_with_what_repairs_them(
    trees: list[SourceTree], tokenizer: CodeTokenizer
) -> None:
    layout = Layout.of([tokenizer.decode([piece]) for piece in range(tokenizer.vocab_size)])
    rng = np.random.default_rng(5)
    kinds = set()
    for tree in trees:
        scopes = analyze(tree)
        for definition in functions(tree)[:40]:
            mutation = sample_bug(tree, definition, scopes, rng)
            if mutation is None:
                continue
            buggy = parse(mutation.mutated)
            start = definition.node.start_byte
            inside = next(d for d in functions(buggy) if d.node.start_byte == start)
            found = enumerate_sites(buggy, inside.node, analyze(buggy))
            example = build_example(buggy, inside.node, found, [], tokenizer)
            original = build_example(tree, definition.node, FunctionSites([], []), [], tokenizer)
            if not mark_fix(example, buggy, mutation.fix):
                continue  # what is left of the file no longer offers the name
            kinds.add(mutation.kind)
            bug, fixed = corruption.real_bug(example), corruption.real_fix(example)
            assert bug.replaced.sum() == 1 and not fixed.replaced.any()
            assert (bug.name >= 0).sum() + (bug.action >= 0).sum() == 1
            assert np.array_equal(bug.pieces, example.pieces)
            assert np.array_equal(fixed.pieces, original.pieces)
            for part in windows(example, 60, layout):
                if len(part.fix):
                    held = corruption.real_bug(part)
                    assert held.family[held.replaced] == bug.family[bug.replaced]
    assert len(kinds) >= 5, kinds
