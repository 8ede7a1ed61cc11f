"""What a build of the corpus counts, for the command line and for ``summary.json``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class BuildSummary:
    """What a build found; ``summary.json`` holds the same."""

    projects: Counter[str] = field(default_factory=Counter)  # by split
    files: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    masked_lines: Counter[str] = field(default_factory=Counter)
    fixes: Counter[str] = field(default_factory=Counter)
    fix_kinds: Counter[str] = field(default_factory=Counter)
    silent_fixes: Counter[str] = field(default_factory=Counter)  # by kind; training only
    partial_fixes: Counter[str] = field(default_factory=Counter)  # the same
    licences: Counter[str] = field(default_factory=Counter)
    rejected_projects: Counter[str] = field(default_factory=Counter)  # by reason
    rejected_files: Counter[str] = field(default_factory=Counter)
    rejected_functions: Counter[str] = field(default_factory=Counter)
    walked: Counter[str] = field(default_factory=Counter)  # commits, merges, those that say fix
    rejected_fixes: Counter[str] = field(default_factory=Counter)  # of those that say fix
    errors: dict[str, str] = field(default_factory=dict)  # project -> what went wrong
    checksums: dict[str, str] = field(default_factory=dict)  # split -> SHA-256 of its functions
    fix_checksums: dict[str, str] = field(default_factory=dict)  # the same of its fixes
    bytes_read: int = 0
    bytes_kept: int = 0
