"""Which licence a project is under, so that only permissive code enters the corpus.

Detection is by the wording of licence files (or an installed distribution's metadata), and it is
strict: a copyleft or source-available text beside a permissive one rejects the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.parser import HeaderParser

_PERMISSIVE_TEXT = """
    0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSD-4-Clause BSL-1.0 CC0-1.0 HPND ISC MIT MIT-0
    MIT-CMU PSF-2.0 Python-2.0 Unlicense WTFPL ZPL-2.1 Zlib
"""
PERMISSIVE = frozenset(_PERMISSIVE_TEXT.split())

# What a sentence of each licence says, in lower case and with single spaces.
_WORDING: tuple[tuple[str, str], ...] = (
    ("Apache-2.0", r"apache license,? (version|v) ?2|www\.apache\.org/licenses/license-2"),
    ("BSD-3-Clause", r"redistribution and use in source and binary forms.{0,2500}?"
                     r"(neither the name|names? of .{0,120}may not be used|"
                     r"(used|used to) endorse or promote)"),
    ("BSD-2-Clause", r"redistribution and use in source and binary forms"),
    ("MIT", r"permission is hereby granted, free of charge"),
    ("MIT-CMU", r"by obtaining, using,? and/or copying this software"),
    ("ISC", r"permission to use, copy, modify, and(/or)? distribute this software"),
    ("PSF-2.0", r"python software foundation license"),
    ("ZPL-2.1", r"zope public license"),
    ("Unlicense", r"free and unencumbered software released into the public domain"),
    ("CC0-1.0", r"cc0 1\.0 universal"),
    ("Zlib", r"provided 'as-is', without any express or implied warranty.{0,600}"
             r"must not be misrepresented"),
    ("BSL-1.0", r"boost software license"),
    ("WTFPL", r"do what the fuck you want to public license"),
    # A file that names its licence without quoting it.
    ("MIT", r"^(the )?mit license|(under|uses?|is|the) (the )?(terms of the )?mit licen[sc]e"),
    ("BSD-3-Clause", r"(under|uses?|is) (the )?(terms of the )?(new |3-clause )?bsd licen"),
)  # fmt: skip
_OTHER = re.compile(
    r"gnu (lesser |library |affero )?general public|gnu (lgpl|gpl|agpl)|mozilla public licen|"
    r"eclipse public licen|european union public|server side public|business source licen|"
    r"elastic licen|commons clause|non-?commercial (use|purposes) only|cc[- ]by-nc|"
    r"common development and distribution|source available licen|polyform|"
    r"used for good,? not evil|hippocratic licen|"
    r"human rights (laws|principles)|universal declaration of human rights"
)
# The words of a permissive licence are none where they are for some uses only, or forbid one.
_SOME = (
    r"(?:academic|scholarly|research|teaching|education(?:al)?|evaluation|personal|private|internal|"
    r"non[-\s\u2010-\u2013]{0,2}commercial|not[- ]for[- ]profit|non[- ]?profit)"
)
_COMMERCIAL = r"(?<!non)(?<!non[-\s\u2010-\u2013])(?<!non- )\bcommercial"
_AND = r"(?: use| purposes?)?(?:,? (?:and|or|and/or|as well as|&) | ?/ ?)(?:for )?"
_SEVERAL = rf"{_SOME}(?:(?:,|{_AND}) ?{_SOME})*"
_USE = r"(?:use|usage|purposes?|applications)"
_SOME_USES = re.compile(
    rf"\b{_SEVERAL} {_USE},? (only|exclusively)\b|"
    rf"\b(only|solely|exclusively|restricted|limited) (be used )?(for|to) {_SEVERAL} {_USE}\b|"
    rf"\b(permitted|granted|allowed|licensed|to use|be used|is free|its documentation),? "
    rf"(only )?for (any )?{_SEVERAL} {_USE}\b"
)
_ANY_USE = re.compile(
    rf"\b(?:{_SOME}, ?)*{_SOME},?{_AND}commercial|{_COMMERCIAL}(?:, ?{_SOME})*,?{_AND}{_SOME}"
)
_FORBIDS = re.compile(
    rf"{_COMMERCIAL} (use|usage|purposes|exploitation)( of [^.]{{1,60}}?)? (is|are) "
    r"((strictly|expressly|explicitly) )?(prohibited|forbidden|not (permitted|allowed|granted))|"
    r"\bno commercial (use|usage|purposes)\b|"
    r"\bnot be (used|sold|distributed) (commercially|(for|in) (any )?commercial)"
)
# CNRI's clause inside Python's own licence mentions the GPL without applying it.
_CNRI = re.compile(r"previously distributed under the gnu general public license")
_FILE = re.compile(r"(un)?licen[sc]es?([-._ ].*)?|copying([-._].*)?|copyright([-._].*)?|"
                   r".*[-._]licen[sc]e(\.(txt|md|rst))?", re.I)  # fmt: skip
_FOREIGN = re.compile(r"bundled|third|3rd|vendor|deps|dependenc|other|logo|docs?[-._]|notice|font|"
                      r"\.(py|toml|json|ya?ml|html|js|cfg)$", re.I)  # fmt: skip
_COPYLEFT_HEADER = re.compile(
    rb"GNU (Lesser |Library |Affero )?General Public|SPDX-License-Identifier:\s*(A|L)?GPL"
    rb"|Mozilla Public License|SPDX-License-Identifier:\s*MPL",
    re.I,
)
_CLASSIFIERS = {
    "apache software license": "Apache-2.0", "bsd license": "BSD-3-Clause", "mit license": "MIT",
    "isc license (iscl)": "ISC", "python software foundation license": "PSF-2.0",
    "zope public license": "ZPL-2.1", "the unlicense (unlicense)": "Unlicense",
    "historical permission notice and disclaimer (hpnd)": "HPND", "mit no attribution": "MIT-0",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0", "zlib/libpng license": "Zlib",
}  # fmt: skip
_LOOSE_NAMES = {
    "mit": "MIT", "the mit license": "MIT", "mit license": "MIT", "apache 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0", "apache license 2.0": "Apache-2.0", "apache 2": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0", "apache software license 2.0": "Apache-2.0",
    "apache": "Apache-2.0", "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause", "3-clause bsd": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause", "psf": "PSF-2.0", "isc license": "ISC", "zpl 2.1": "ZPL-2.1",
}  # fmt: skip


def is_licence_file(path: str) -> bool:
    """Whether a file near the root states the project's own licence (not a bundled part's).

    One folder deep counts too, because repositories that hold several packages keep it there.
    """
    folder, _, name = path.rpartition("/")
    if "/" in folder:
        return False
    return _FILE.fullmatch(name) is not None and _FOREIGN.search(name) is None


def detect(texts: Iterable[str]) -> str | None:
    """SPDX expression of licence texts, e.g. ``MIT`` or ``Apache-2.0 AND MIT``.

    None when no known permissive licence is found, or when any text is copyleft or restricted.
    """
    found: dict[str, None] = {}
    for text in texts:
        plain = _CNRI.sub(" ", re.sub(r"[\s#*>=\"]+", " ", text.casefold()).strip())
        if _OTHER.search(plain) or _is_restricted(plain):
            return None
        matched = {name: None for name, wording in _WORDING if re.search(wording, plain)}
        if "BSD-3-Clause" in matched:
            matched.pop("BSD-2-Clause", None)
        found.update(matched)
    return " AND ".join(sorted(found)) or None


def _is_restricted(plain: str) -> bool:
    """Whether a text forbids commercial use, or grants something for a few kinds of use only."""
    if _FORBIDS.search(plain):
        return True
    return _SOME_USES.search(_ANY_USE.sub("any", plain)) is not None


def of_metadata(text: str) -> str | None:
    """SPDX expression from the METADATA of an installed distribution, or None."""
    message = HeaderParser().parsestr(text)
    expression = message.get("License-Expression")
    if expression:
        return expression if is_permissive(expression) else None
    classifiers = [
        value.rpartition("::")[2].strip().casefold()
        for value in message.get_all("Classifier", [])
        if value.startswith("License ::") and value.strip() != "License :: OSI Approved"
    ]
    if classifiers:
        names = [_CLASSIFIERS.get(value) for value in classifiers]
        known = sorted({name for name in names if name is not None})
        return " AND ".join(known) if known and None not in names else None
    stated = " ".join((message.get("License") or "").split())
    if is_permissive(stated):
        return stated
    return _LOOSE_NAMES.get(stated.casefold()) or (detect([stated]) if len(stated) > 60 else None)


def is_permissive(expression: str) -> bool:
    """Whether an SPDX expression can be met by permissive licences alone."""
    if not expression.strip():
        return False
    bare = expression.replace("(", " ").replace(")", " ")
    return any(
        all(part.strip() in PERMISSIVE for part in re.split(r"\sAND\s", choice))
        for choice in re.split(r"\sOR\s", bare)
    )


def has_copyleft_header(data: bytes) -> bool:
    """Whether one file, at its top, puts itself under a copyleft licence."""
    return _COPYLEFT_HEADER.search(data, 0, 3000) is not None
