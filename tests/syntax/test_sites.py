"""What may be edited where; and that each edit parses and can be undone by the same means."""

from __future__ import annotations

import gc
import random
import sysconfig
import weakref
from pathlib import Path
from typing import NamedTuple

import pytest

from codemtl.errors import EditError
from codemtl.syntax.candidates import GROUP_LIMIT
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.sites import (
    ACTION_IDS,
    ACTIONS,
    FAMILIES,
    FunctionSites,
    Site,
    edit_for,
    edit_for_name,
    enumerate_sites,
    inverse,
)
from codemtl.syntax.tree import SourceTree, error_count, parse, tokens
from codemtl.syntax.verify import compile_error

STDLIB = Path(sysconfig.get_paths()["stdlib"])


class Sites(NamedTuple):
    tree: SourceTree
    found: FunctionSites

    def edits(self, family: str) -> set[str]:
        """The texts of the whole function after each edit of a family, one-line bodies only."""
        out = set()
        for site in self.found.sites:
            if site.family == family:
                for action in site.options:
                    new = apply(self.tree.data, [edit_for(self.tree, site, action)])
                    out.add(new.decode().partition("\n    ")[2])
        return out


def sites_of(body: str, head: str = "def f(a, b, c, x):") -> Sites:
    tree = parse(f"{head}\n    {body}".encode())
    return Sites(tree, enumerate_sites(tree, functions(tree)[0].node, analyze(tree)))


@pytest.mark.parametrize(
    ("family", "body", "edits"),
    [
        ("comparison", "a is not b", {"a is b"}),
        ("comparison", "a in b", {"a not in b"}),
        ("comparison", "a == None", {"a != None"}),
        ("comparison", "a == 'x'", {"a != 'x'"}),
        ("comparison", "a < 'x'", set()),
        ("comparison", "a <= b", {f"a {op} b" for op in ("<", ">", ">=", "==", "!=")}),
        ("comparison", "len(a) > 0", {f"len(a) {op} 0" for op in ("<", "<=", ">=", "==")}),
        ("binary-operator", "a * b", {f"a {op} b" for op in ("+", "-", "/", "//", "%", "**")}),
        ("binary-operator", "a ** b", {"a * b"}),
        ("binary-operator", "a << b", {f"a {op} b" for op in ("&", "|", "^", ">>")}),
        ("binary-operator", "'%s' % a", set()),
        ("binary-operator", "a + b + 'x'", set()),
        ("binary-operator", "a @ b", set()),
        ("binary-operator", "a * 1", {"a + 1", "a - 1", "a % 1"}),
        ("boolean-operator", "a and b", {"a or b"}),
        ("augmented-assignment", "a += 'x'", {"a = 'x'"}),
        ("augmented-assignment", "y = 1", set()),
        ("augmented-assignment", "y **= 1", {"y *= 1"}),
        ("augmented-assignment", "a.b = b", set()),
        ("augmented-assignment", "a = b = 1", set()),
        ("augmented-assignment", "a: int = b", set()),
        ("negation", "if a: pass", {"if not a: pass"}),
        ("negation", "if(a): pass", {"if not (a): pass"}),
        ("negation", "if not a.b: pass", {"if a.b: pass"}),
        ("negation", "if a < b: pass", set()),
        ("negation", "return not a", {"return a"}),
        ("negation", "[c for c in x if c]", {"[c for c in x if not c]"}),
        ("negation", "a if b else c", {"a if not b else c"}),
        ("constant", "a(True)", {"a(False)", "a(None)"}),
        ("constant", "a is None", set()),
        ("constant", "def g() -> None: pass", set()),
        ("integer", "a[0]", {"a[1]", "a[-1]"}),
        ("integer", "a[-1]", {"a[0]", "a[-2]"}),
        ("integer", "a[- 1]", {"a[0]", "a[-2]"}),
        ("integer", "a[-\n1, -\\\n1]", set()),
        ("integer", "a + 1", {"a + 2"}),
        ("integer", "a(0x10, 1_000, 1.5, 99999999)", set()),
        ("integer", "a if b else-1", {"a if b else 0", "a if b else-2"}),
        ("offset", "a[b]", {"a[b + 1]", "a[b - 1]"}),
        ("offset", "a[b - 1]", {"a[b]"}),
        ("offset", "a[b:c+1]", {"a[b + 1:c+1]", "a[b - 1:c+1]", "a[b:c]"}),
        ("offset", "range(a)", {"range(a + 1)", "range(a - 1)"}),
        ("offset", "a[0]", set()),
        ("offset", "a[Key]", set()),
        ("argument-swap", "x(a, b)", {"x(b, a)"}),
        ("argument-swap", "x(a, a)", set()),
        ("argument-swap", "x(a, *b, c=c)", set()),
        ("argument-swap", "max(a, b)", set()),
        ("argument-swap", "x.assertEqual(a, b)", set()),
    ],
)
def test_edits(family: str, body: str, edits: set[str]) -> None:
    assert sites_of(body).edits(family) == edits


def test_vocabulary_is_closed_and_stable() -> None:
    assert len(ACTIONS) == len(set(ACTION_IDS)) == 51
    assert ACTIONS[0].label == "<" and ACTIONS[-1].label == "swapped"
    assert len(FAMILIES) == 9


def test_names_are_sites_only_where_they_are_read() -> None:
    body = "a.b = c.d(b, key=a)\n    for c in x: del x\n    y: c = a"
    found = sites_of(body).found
    states = [(s.family, s.state, s.kind) for s in found.sites if s.candidates >= 0]
    assert states == [
        ("name", "a", "variable-misuse"),
        ("name", "c", "variable-misuse"),
        ("attribute", "d", "call-misuse"),
        ("name", "b", "variable-misuse"),
        ("name", "a", "variable-misuse"),
        ("name", "x", "variable-misuse"),
        ("name", "a", "variable-misuse"),
    ]


def test_groups_hold_what_is_visible() -> None:
    body = "d = a\n    return len(d)"
    found = sites_of(body).found
    value = next(site for site in found.sites if site.state == "a")
    called = next(site for site in found.sites if site.state == "len")
    assert found.groups[value.candidates][:5] == ("a", "b", "c", "x", "d")
    assert {"len", "max", "f"} <= set(found.groups[called.candidates])
    assert "a" not in found.groups[called.candidates]


def test_a_name_is_no_candidate_before_it_is_declared_global() -> None:
    data = b"late = 1\ndef f(a):\n    print(a)\n    global late\n    late = a\n    print(a)\n"
    tree = parse(data)
    found = enumerate_sites(tree, functions(tree)[0].node, analyze(tree))
    before, _, after = (found.groups[one.candidates] for one in found.sites if one.state == "a")
    assert "late" not in before
    assert "late" in after
    assert compile_error(data.replace(b"print(a)", b"print(late)", 1)) is not None


def test_lone_names_are_marked() -> None:
    found = sites_of("return a.once, a.twice, a.twice, typo").found
    alone = {site.state for site in found.sites if site.alone}
    assert alone == {"once", "typo"}


def test_wrong_actions_are_refused() -> None:
    tree, found = sites_of("return a < b")
    order = next(site for site in found.sites if site.family == "comparison")
    with pytest.raises(EditError):
        edit_for(tree, order, ACTION_IDS["boolean-operator", "and"])
    with pytest.raises(EditError):
        edit_for_name(tree, order, "a")


def test_any_text_is_enumerated() -> None:
    data = (STDLIB / "typing.py").read_bytes()
    rng = random.Random(0)
    for _ in range(60):
        start = rng.randrange(len(data))
        tree = parse(data[start : start + rng.randrange(2000)])
        enumerate_sites(tree, tree.root, analyze(tree))
    tree = parse(b"x = " + b" + ".join([b"y"] * 5000))
    enumerate_sites(tree, tree.root, analyze(tree))


@pytest.mark.parametrize("seed", range(6))
def test_edits_parse_and_can_be_undone(seed: int) -> None:
    rng = random.Random(seed)
    files = [f for f in sorted(STDLIB.glob("*.py")) if 2000 < f.stat().st_size < 40_000]
    lost = total = 0
    for file in rng.sample(files, 4):
        tree = parse(file.read_bytes())
        scopes = analyze(tree)
        leaves = {leaf.start for leaf in tokens(tree.root)}
        leaves |= {leaf.end for leaf in tokens(tree.root)}
        pool = []
        for definition in functions(tree):
            found = enumerate_sites(tree, definition.node, scopes)
            for site in found.sites:
                _check_site(site, found, leaves)
                pool.append((definition.node.start_byte, site, found))
        by_family = {family: [p for p in pool if p[1].family == family] for family in FAMILIES}
        by_family["name"] = [p for p in pool if p[1].candidates >= 0 and not p[1].alone]
        for members in by_family.values():
            for function, site, found in rng.sample(members, min(2, len(members))):
                total += 1
                if not _undoes(tree, function, site, found, rng):
                    lost += 1  # a name that the capped group no longer holds
                    assert site.candidates >= 0, (file, site)
    assert lost <= 0.03 * total


def _check_site(site: Site, found: FunctionSites, leaves: set[int]) -> None:
    assert {site.start, site.end, site.anchor_start, site.anchor_end} <= leaves, site
    assert site.anchor_start < site.anchor_end
    if site.candidates >= 0:
        group = found.groups[site.candidates]
        assert site.state in group or site.state.startswith("__")
        assert len(set(group)) == len(group) <= GROUP_LIMIT
    else:
        assert site.options
        assert all(ACTIONS[action].family == site.family for action in site.options)


def _undoes(
    tree: SourceTree, function: int, site: Site, found: FunctionSites, rng: random.Random
) -> bool:
    """Apply a random edit and look for the site of the edited text that leads back."""
    if site.candidates >= 0:
        others = [name for name in found.groups[site.candidates] if name != site.state]
        if not others:
            return True
        choice: str | int = rng.choice(others)
    else:
        choice = rng.choice(site.options)
    new = parse(apply(tree.data, [_edit(tree, site, choice)]))
    assert error_count(new) <= error_count(tree)
    assert compile_error(new.data) is None or compile_error(tree.data) is not None
    node = next(d.node for d in functions(new) if d.node.start_byte == function)
    after = enumerate_sites(new, node, analyze(new))
    for other in after.sites:
        if other.family != site.family or abs(other.start - site.start) > 2:
            continue
        if isinstance(choice, str):
            back: str | int = site.state
            known = site.state in after.groups[other.candidates]
        else:
            back = inverse(site, choice)
            known = back in other.options
        if known and _squeezed(apply(new.data, [_edit(new, other, back)])) == _squeezed(tree.data):
            return True
    return False


def _edit(tree: SourceTree, site: Site, choice: str | int) -> Edit:
    if isinstance(choice, str):
        return edit_for_name(tree, site, choice)
    return edit_for(tree, site, choice)


def _squeezed(data: bytes) -> bytes:
    return b"".join(data.split())


def test_many_files_in_turn_leave_nothing_behind() -> None:
    def look() -> weakref.ref[Scopes]:
        tree = parse(b"def f(a, b):\n    return a < b\n")
        scopes = analyze(tree)
        assert enumerate_sites(tree, functions(tree)[0].node, scopes).sites
        return weakref.ref(scopes)

    known = [look() for _ in range(20)]
    gc.collect()
    assert sum(one() is not None for one in known) <= 2
