"""Splits and reservations depend on a project's name alone, however the project is reached."""

from __future__ import annotations

from collections import Counter

import pytest

from codemtl.corpus.reserved import RESERVED, is_reserved, is_reserved_path
from codemtl.corpus.splits import canonical_name, split_of


@pytest.mark.parametrize(
    "project",
    [
        "pallets/flask",
        "flask",
        "Flask",
        "https://example.org/x/Flask.git",
        "/srv/flask/",
        "a\\flask",
    ],
)
def test_one_project_has_one_name_and_one_split(project: str) -> None:
    assert canonical_name(project) == "flask"
    assert split_of(project) == split_of("flask")


def test_spelling_variants_share_a_name() -> None:
    assert canonical_name("youtube_dl") == canonical_name("Youtube-DL") == "youtube-dl"
    assert canonical_name("zope.interface") == "zope-interface"


def test_splits_are_frozen() -> None:
    # These must never change: published numbers depend on them.
    known = {"flask": "train", "dateutil": "validation", "cpython": "train"}
    assert {name: split_of(name) for name in known} == known


def test_splits_have_their_shares() -> None:
    counts = Counter(split_of(f"project-{number}") for number in range(5000))
    assert 0.78 < counts["train"] / 5000 < 0.82
    assert 0.08 < counts["validation"] / 5000 < 0.12


@pytest.mark.parametrize(
    "project",
    [
        "pandas-dev/pandas", "someone/pandas-fork", "PySnooper", "explosion/spaCy", "httpie/cli",
        "yt_dlp", "ytdl-org/youtube-dl", "jkoppel/QuixBugs", "soarsmu/BugsInPy", "my-quixbugs-java",
        "ansible-core", "tensorflow-cpu", "Theano", "black", "scrapy.git", "/opt/tqdm",
        "keras-master", "tornado-6", "python-twisted", "pandas-dev-pandas-1a2b3c4", "pandas-2.2.x",
        "matplotlib-3.9.0rc1", "tqdm-4.66.0.dev0", "spacy-3.7.post1",
    ],
)  # fmt: skip
def test_reserved_projects_and_their_copies(project: str) -> None:
    assert is_reserved(project)


@pytest.mark.parametrize(
    "project", ["flask", "pandera", "blacken-docs", "sphinxcontrib", "conan", "types-requests"]
)
def test_similar_names_are_not_reserved(project: str) -> None:
    assert not is_reserved(project)


def test_vendored_copies_are_found_by_their_folder() -> None:
    assert is_reserved_path("lib/tornado/web.py")
    assert is_reserved_path("src/youtube_dl/extractor/a.py")
    assert is_reserved_path("benchmarks/QuixBugs/python/gcd.py")
    assert not is_reserved_path("integrations/tornado.py")


def test_the_list_is_complete() -> None:
    assert len(RESERVED) == 37 + 1  # youtube-dl and yt-dlp are one entry of the rule
    assert all(is_reserved(name) for name in RESERVED)
