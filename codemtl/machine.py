"""What this machine has."""

from __future__ import annotations

import os


def total_memory() -> int:
    """Bytes of memory, whoever uses them now."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
