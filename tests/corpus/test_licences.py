"""Licences are told by their wording; anything that is not clearly permissive is refused."""

from __future__ import annotations

import pytest

from codemtl.corpus.licences import (
    detect,
    has_copyleft_header,
    is_licence_file,
    is_permissive,
    of_metadata,
)

MIT = """Copyright (c) 2020 A\n\nPermission is hereby granted, free
of charge, to any person obtaining a copy of this software"""
BSD2 = "Redistribution and use in source and binary forms, with or without\nmodification, are"
BSD3 = BSD2 + "\n * Neither the name of the copyright holder nor the names of its contributors"
APACHE = "Apache License\n        Version 2.0, January 2004\n http://www.apache.org/licenses/"
GPL = "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([MIT], "MIT"),
        ([BSD2], "BSD-2-Clause"),
        ([BSD3], "BSD-3-Clause"),
        ([APACHE], "Apache-2.0"),
        ([APACHE, MIT], "Apache-2.0 AND MIT"),
        (["# " + MIT.replace("\n", "\n# ")], "MIT"),
        ([GPL], None),
        ([MIT, GPL], None),
        (["All rights reserved."], None),
        ([], None),
        (["Mozilla Public License Version 2.0"], None),
        (["PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2 ... previously distributed under the "
          "GNU General Public License (GPL)"], "PSF-2.0"),
    ],
)  # fmt: skip
def test_detection(texts: list[str], expected: str | None) -> None:
    assert detect(texts) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("LICENSE", True), ("LICENCE.txt", True), ("COPYING", True), ("LICENSE-MIT", True),
        ("LICENSES/MIT.txt", False), ("docs/LICENSE.rst", True), ("a/b/LICENSE", False),
        ("LICENSES_bundled.txt", False), ("LICENSE.third_party", False), ("license.py", False),
    ],
)  # fmt: skip
def test_licence_files(path: str, expected: bool) -> None:
    assert is_licence_file(path) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("License-Expression: MIT OR GPL-2.0-only", "MIT OR GPL-2.0-only"),
        ("License-Expression: GPL-3.0-only", None),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: BSD\nClassifier: License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("License: MIT\nClassifier: License :: OSI Approved :: GNU GPL v2", None),
        ("License: Apache 2.0", "Apache-2.0"),
        ("Summary: nothing", None),
    ],
)
def test_metadata_of_distributions(headers: str, expected: str | None) -> None:
    assert of_metadata(f"Metadata-Version: 2.1\nName: x\n{headers}\n\nlong text") == expected


def test_expressions() -> None:
    assert is_permissive("Apache-2.0 AND (MIT)")
    assert not is_permissive("MIT AND GPL-3.0-only")
    assert not is_permissive("")


def test_file_headers() -> None:
    assert has_copyleft_header(b"# SPDX-License-Identifier: GPL-2.0\n")
    assert has_copyleft_header(b'"""x\nThis is under the GNU General Public License"""')
    assert not has_copyleft_header(b"# SPDX-License-Identifier: MIT\n")


@pytest.mark.parametrize(
    "text",
    [
        MIT + "\n\nThe Software shall be used for Good, not Evil.",
        "Hippocratic License 2.1\n\n" + MIT,
        MIT + "\nNo systems that violate human\nrights laws or the like may use it.",
        BSD2 + " permitted for non-commercial purposes provided that\n * Neither the name of A",
        BSD2 + " permitted for academic and research use only, commercial use is prohibited.",
        BSD3 + "\nIt may be used for research and education purposes only.",
        BSD2 + " permitted.\nIt shall not be used for any commercial purpose.",
        BSD2 + " permitted.\nCommercial use of this software is strictly prohibited.",
        MIT + " for non-\ncommercial and academic purposes only",
        MIT + "\nSolely for non commercial use.",
        "Permission to use, copy, modify, and distribute this software and its documentation for"
        " educational, research, and not-for-profit purposes, without fee",
    ],
)
def test_permissive_words_with_a_restriction_are_refused(text: str) -> None:
    assert detect([text]) is None


@pytest.mark.parametrize(
    "text",
    [
        "It may be used for any purpose, commercial or non-commercial, and by any means.",
        "It may be used for personal, academic and commercial purposes.",
        "It is free for commercial and non-commercial use as long as the notice stays.",
        "The Foundation is a non-profit organization for research and education.",
        "Including but not limited to personal injury. Commercial use is permitted.",
        "Medusa was once distributed under a 'free for non-commercial use' license.",
        "The documentation is under Creative Commons Attribution-Noncommercial-Share Alike 3.0.",
    ],
)
def test_usual_sentences_beside_a_licence_restrict_nothing(text: str) -> None:
    assert detect([f"{MIT}\n{text}"]) == "MIT"
