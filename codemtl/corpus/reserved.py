"""Projects that must never become training or validation data, whatever they are reached through.

The acceptance benchmarks (QuixBugs, BugsInPy) and the projects that BugsInPy draws on are
reserved. They are recognised by name: the repository, its forks, a distribution installed in an
environment, and a copy vendored as a folder of another project.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from codemtl.corpus.splits import canonical_name

BENCHMARKS = ("quixbugs", "bugsinpy")

_RESERVED_TEXT = """
    ansible beets biopython black buildbot celery certbot conda cookiecutter evennia fastapi gevent
    httpie keras luigi matplotlib mitmproxy networkx nltk obspy openlibrary pandas pysnooper
    qutebrowser sanic scrapy spacy sphinx sympy tensorflow theano thefuck tornado tqdm twisted
    weblate youtube-dl yt-dlp
"""
RESERVED = frozenset(_RESERVED_TEXT.split())

# Names under which the same code is forked, split up or distributed.
_ALIASES_TEXT = """
    acme aesara ansible-base ansible-core axblack bio conda-core fuzzywuzzy-keras
    intel-tensorflow keras-core keras-nightly keras-preprocessing pytensor spacy-nightly
    standalone-keras tensorflow-cpu tensorflow-gpu tensorflow-intel tf-keras tf-nightly
    theano-pymc youtube-dlc yt-dlc youtubedl ytdl-org
"""
ALIASES = frozenset(_ALIASES_TEXT.split())
_REPOSITORIES = frozenset({"httpie/cli", "httpie/http"})  # basename alone does not tell
_VERSION = re.compile(r"v?\d\w*|x|(dev|rc|post|[ab])\d+")
_COMMIT = re.compile(r"(?=\w*\d)[0-9a-f]{7,40}")  # at the end of an archive's OWNER-NAME-COMMIT
_AFFIXES = ("fork", "copy", "mirror", "master", "main", "dev", "nightly", "python", "py", "src")


def is_reserved(project: str) -> bool:
    """Whether a project name (``owner/name``, URL, folder or distribution) is reserved."""
    lowered = project.casefold()
    squeezed = lowered.replace("-", "").replace("_", "")
    if any(name in squeezed for name in BENCHMARKS):
        return True
    if any(lowered.removesuffix(".git").endswith(name) for name in _REPOSITORIES):
        return True
    return _is_reserved_name(canonical_name(project))


def is_reserved_path(path: str) -> bool:
    """Whether a file's path runs through a folder that holds a copy of a reserved project."""
    squeezed = path.casefold().replace("-", "").replace("_", "")
    if any(name in squeezed for name in BENCHMARKS):
        return True
    return any(canonical_name(part) in RESERVED for part in PurePosixPath(path).parts[:-1])


def _is_reserved_name(name: str) -> bool:
    if name in RESERVED or name in ALIASES:
        return True
    parts = name.split("-")
    if _COMMIT.fullmatch(parts[-1]):
        owned = ("-".join(parts[at:-1]) for at in range(1, len(parts) - 1))
        if any(one in RESERVED for one in owned):
            return True
    while parts and (
        parts[-1] in _AFFIXES or _VERSION.fullmatch(parts[-1]) or _COMMIT.fullmatch(parts[-1])
    ):
        parts.pop()
    while parts and parts[0] in _AFFIXES:
        parts.pop(0)
    return "-".join(parts) in RESERVED
