"""What the text says for or against an edit that the model proposes.

Models learn from made mistakes, in which any name may stand for any other; people mistake names
that are spelled alike. How much each part of the evidence counts is fitted on real bugs
(`codemtl.evaluation.calibration`).
"""

from __future__ import annotations

import math
import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from codemtl.inference.parallels import Parallels
from codemtl.syntax.actions import ATTRIBUTE, NAME, Site
from codemtl.syntax.assigned_later import assigned_later
from codemtl.syntax.edits import Edit
from codemtl.syntax.repetition import repeats
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.signatures import refuses
from codemtl.syntax.tree import SourceTree

OLD, TYPICAL = 7.0, 5.6  # three years; 270 days: without an age a finding is as likely as with this
_ATTRIBUTE = re.compile(rb"\.(\w+)")
_TARGET = re.compile(r"\s*(?:[\w\[\]'\"]+\.)*(\w+)[\]'\"]*\s*=[^=]")


class Evidence(NamedTuple):
    """Features of an edit, the first seven 0 but where a name or attribute takes another's place.

    0 is also the age of a line of which nobody knows it.
    """

    renames: float = 0.0  # 1: it does
    alike: float = 0.0  # how alike the two are spelled, 0 to 1 (Ratcliff and Obershelp)
    once: float = 0.0  # 1: n is 1, n: how often what stands there stands in the file
    habit: float = 0.0  # ln(1 + n), n: how often else it stands beside the same attribute or object
    new_habit: float = 0.0  # the same of what shall stand there
    target: float = 0.0  # how alike what stands there and the target of the assignment are
    renamed: float = 0.0  # n ** -0.5 where a change of the file replaced one by the other
    parallel: float = 0.0  # `Parallels.evidence` for what stands there
    new_parallel: float = 0.0  # and for what shall stand there
    age: float = 0.0  # ln(1 + days since the line was changed), at most OLD, less TYPICAL


def evidence(scopes: Scopes, site: Site, edit: Edit, parallels: Parallels) -> Evidence:
    """The evidence on an edit at a site."""
    parallel, new_parallel = parallels.evidence(edit)
    found = _of_names(scopes, site, edit)
    age = _age(scopes.tree, edit)
    return found._replace(parallel=parallel, new_parallel=new_parallel, age=age)


def _age(tree: SourceTree, edit: Edit) -> float:
    ages = tree.history.ages
    line = tree.data.count(b"\n", 0, edit.start) if ages else 0
    if line >= len(ages) or math.isnan(ages[line]):
        return 0.0
    return min(OLD, math.log1p(ages[line])) - TYPICAL


def _of_names(scopes: Scopes, site: Site, edit: Edit) -> Evidence:
    if site.family not in (NAME, ATTRIBUTE):
        return Evidence()
    data = scopes.tree.data
    old = data[edit.start : edit.end].decode("utf-8", "replace")
    new, counts = edit.replacement, scopes.attribute_counts
    if site.family == ATTRIBUTE:
        receiver = scopes.receivers.get(edit.start, "")
        habit, new_habit = counts[receiver, old] - 1, counts[receiver, new]
    else:
        found = _ATTRIBUTE.match(data, edit.end)
        attribute = found[1].decode("utf-8", "replace") if found else ""
        habit, new_habit = counts[old, attribute] - 1, counts[new, attribute]
    line = data[data.rfind(b"\n", 0, edit.start) + 1 : edit.end + 1].decode("utf-8", "replace")
    target = _TARGET.match(line)
    renames, often = scopes.tree.history.renames, scopes.words[old]
    return Evidence(
        renames=1.0,
        alike=alike(old, new),
        once=float(often == 1),
        habit=math.log1p(max(habit, 0)),
        new_habit=math.log1p(new_habit),
        target=alike(target[1], old) if target else 0.0,
        renamed=max(often, 1) ** -0.5 if new in renames.get(old, {}) else 0.0,
    )


@lru_cache(maxsize=1 << 14)  # a function has few names, and many edits
def alike(one: str, two: str) -> float:
    """How alike two names are spelled, 0 to 1 (Ratcliff and Obershelp); case does not count."""
    return SequenceMatcher(None, one.lower(), two.lower(), autojunk=False).ratio()


def contradicted(scopes: Scopes, site: Site, replacement: str) -> bool:
    """Whether a name or attribute cannot take another's place.

    That is where it is called, and what is so named in the file and beside it does not accept the
    arguments; where it is a local variable that has no value yet; where the same would stand twice;
    where nobody would read the variable or parameter any more that stands there; or where an import
    gives way in ``x.attribute``, although the file has that elsewhere too: a model is drawn to
    names that resemble the attribute. What real fixes say: data/LOG.md, 2026-11-30, morning.
    """
    if site.family not in (NAME, ATTRIBUTE):
        return False
    place = scopes.tree, site.start, site.end, replacement
    if repeats(*place) or refuses(*place):
        return True
    if site.family != NAME:
        return False
    if scopes.read_only_at(site.start) or assigned_later(scopes, site.start, replacement):
        return True
    if site.state not in scopes.imports:
        return False
    found = _ATTRIBUTE.match(scopes.tree.data, site.end)
    if found is None:
        return False
    attribute = found[1].decode("utf-8", "replace")
    uses = scopes.attribute_counts
    return uses[site.state, attribute] > 1 and not uses[replacement, attribute]
