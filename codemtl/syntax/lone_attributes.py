"""Slips in attributes of anything, such as ``sys.paltform`` beside ``sys.platform``.

Reported is an attribute whose name stands once in the file, one keystroke from a name that the file
uses of the same object, and more than once; methods of builtin types are right, and so are pairs
such as ``getX`` and ``setX`` or ``uuid1`` and ``uuid4``, and what one of Python's own modules has.
Whether it is a slip the file alone cannot
tell: the name must stand nowhere else in the project either (``codemtl.inference.project``).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from codemtl.syntax.names import CALLEE, LOAD
from codemtl.syntax.python_modules import members_of
from codemtl.syntax.suggestions import spelling_distance
from codemtl.syntax.undefined import UndefinedName, report_attribute

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

_KEYSTROKES = 1.0
_MOST = 200  # names of one object; more are a library's constants, and take long to compare
_PAIRS = re.compile("[gs]et|[0-9]")
_METHODS = {
    name for kind in (object, str, bytes, int, float, list, dict, set) for name in dir(kind)
}


def lone_attributes(scopes: Scopes) -> list[UndefinedName]:
    """The attributes of a file that may be slips, in source order."""
    uses = Counter(found.name for found in scopes.attribute_uses)
    of_object: dict[str, set[str]] = {}
    for found in scopes.attribute_uses:
        of_object.setdefault(found.receiver, set()).add(found.name)
    often = {
        receiver: {name for name in names if uses[name] > 1}
        for receiver, names in of_object.items()
        if receiver and len(names) <= _MOST
    }
    out = []
    for found in scopes.attribute_uses:
        name = found.name
        if found.role not in (LOAD, CALLEE) or found.receiver not in often:
            continue
        if (
            scopes.words[name] != 1
            or name in _METHODS
            or (name.startswith("__") and name.endswith("__"))
        ):
            continue
        meant = _nearest(name, often[found.receiver])
        if meant is None or _nearest(name, of_object[found.receiver]) != meant:
            continue
        root = found.receiver.partition(".")[0]
        if root in scopes.imports and name in members_of(found.receiver):
            continue
        out.append(report_attribute(scopes, found, (meant,)))
    return out


def _nearest(name: str, others: set[str]) -> str | None:
    """The one name that is spelled most like it, if that is near enough."""
    found = [(spelling_distance(name, other), other) for other in others if other != name]
    near = sorted((away, other) for away, other in found if away is not None)
    if not near or near[0][0] > _KEYSTROKES or (len(near) > 1 and near[1][0] == near[0][0]):
        return None  # several as near: names of a family
    nearest = near[0][1]
    alike = _PAIRS.sub("#", name.lower()) == _PAIRS.sub("#", nearest.lower())
    return None if alike and name.lower() != nearest.lower() else nearest
