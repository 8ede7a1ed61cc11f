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
