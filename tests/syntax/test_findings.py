"""Comments that suppress findings."""

from __future__ import annotations

from codemtl.syntax.findings import KINDS, Finding, suppressions
from codemtl.syntax.tree import parse


def test_suppressions() -> None:
    data = (
        "x = 1  # codemtl: ignore\n"
        "y = 2  # codemtl: ignore[comparison, off-by-one]\n"
        "z = '# codemtl: ignore'\r\n"
        "t = '''\n# codemtl: ignore\n'''\n"
        "#codemtl:ignore [ negation ]\n"
        "w = '😀'  # reason; codemtl: ignored\n"
        "v = 1  # noqa  # codemtl: ignore because it is so\n"
        "u = 1  # codemtl: ignore[]\n"
        "s = 1  # Codemtl: Ignore[Literal]\n"
    )
    assert suppressions(parse(data.encode())) == {
        1: None,
        2: frozenset({"comparison", "off-by-one"}),
        7: frozenset({"negation"}),
        9: None,
        10: frozenset(),
        11: frozenset({"literal"}),
    }


def test_no_suppressions() -> None:
    assert suppressions(parse(b"x = 1  # TODO\n")) == {}


def test_kinds_are_those_of_the_contract() -> None:
    assert len(KINDS) == len(set(KINDS)) == 15
    finding = Finding(None, KINDS[0], 0, 1, "a", "b", 0.5, "message")
    assert finding.validated is None
