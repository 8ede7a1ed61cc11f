"""What Python processes that the tests start are told, through ``hook/sitecustomize``."""

from __future__ import annotations

import os
from collections.abc import Mapping

_HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook")


def tell(values: Mapping[str, str]) -> None:
    """Put variables, and the way to the hook, into the environment of what is started from now."""
    own = os.environ.get("PYTHONPATH", "")
    if _HOOK not in own.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join([_HOOK, own] if own else [_HOOK])
    os.environ.update(values)
