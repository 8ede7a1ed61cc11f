from __future__ import annotations

import pytest

from codemtl.inference.evidence import contradicted
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import parse

TEXT = """
import policies, rules


def find(policy, rule):
    {use}
    return policy.take({name}.Limit)
"""


@pytest.mark.parametrize(
    ("use", "name", "replacement", "answer"),
    [
        ("rules.Limit.check(policy)", "rules", "policies", True),
        ("rules.Limit.check(policy)", "rules", "rule", True),
        ("policies.Limit.check(rules.Limit)", "rules", "policies", False),
        ("rules.Other.check(policy)", "rules", "policies", False),
        ("rule.Limit.check(policy)", "rule", "policies", False),
    ],
)
def test_an_import_whose_attribute_the_file_uses_elsewhere(
    use: str, name: str, replacement: str, answer: bool
) -> None:
    tree = parse(TEXT.format(use=use, name=name).encode())
    scopes = analyze(tree)
    start = tree.data.rindex(f"{name}.Limit".encode())
    sites = enumerate_sites(tree, functions(tree)[0].node, scopes).sites
    (site,) = (one for one in sites if one.start == start and one.family == "name")
    assert contradicted(scopes, site, replacement) == answer
