"""Imports as text, and where one more belongs."""

from __future__ import annotations

import pytest

from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.imports import Import, common_imports, imports_of, insertions
from codemtl.syntax.tree import parse
from codemtl.syntax.verify import compile_error

OS, NUMPY = Import("os", "os"), Import("np", "numpy")
OPTIONAL = Import("Optional", "typing", "Optional")


def with_imports(text: str, *wanted: Import) -> str:
    data = text.encode()
    new = apply(data, insertions(parse(data), wanted)).decode()
    assert compile_error(new.encode()) is None
    assert set(wanted) <= set(imports_of(new.encode()))
    return new


@pytest.mark.parametrize(
    ("one", "statement"),
    [
        (OS, "import os"),
        (NUMPY, "import numpy as np"),
        (OPTIONAL, "from typing import Optional"),
        (Import("b", ".a", "c"), "from .a import c as b"),
        (Import("c", ".", "c"), "from . import c"),
    ],
)
def test_a_statement_binds_what_it_says(one: Import, statement: str) -> None:
    assert one.statement == statement
    assert list(imports_of(statement.encode())) == [one]


def test_imports_over_several_lines_with_comments_and_within_functions() -> None:
    text = (
        b"from a.b import (  # these\n    c,  # one\n    d as e,\n)\nimport x.y, z as w\n"
        b"def f():\n    from . import g, \\\n        h\n    from k import *\n    x = 'import q'\n"
    )
    assert [one.statement for one in imports_of(text)] == [
        "from a.b import c", "from a.b import d as e", "from . import g", "from . import h",
        "import x.y", "import z as w",
    ]  # fmt: skip


def test_each_stands_where_its_like_stand() -> None:
    text = (
        '"""Doc."""\nfrom __future__ import annotations\n\nimport abc\nimport sys\n\n'
        "import pytest\n\nfrom .x import a\n\n\ndef f():\n    pass\n"
    )
    wanted = [OS, NUMPY, Import("y", "..y", "y"), Import("b", ".x", "b"), OPTIONAL]
    assert with_imports(text, *wanted) == (
        '"""Doc."""\nfrom __future__ import annotations\n\nimport abc\nimport os\nimport sys\n'
        "from typing import Optional\n\nimport numpy as np\nimport pytest\n\n"
        "from ..y import y\nfrom .x import a, b\n\n\ndef f():\n    pass\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "import os\n\n"),
        ("x = 1\n", "import os\n\nx = 1\n"),
        ("def f():\n    pass\n", "import os\n\n\ndef f():\n    pass\n"),
        ('"""Doc."""\n\nx = 1\n', '"""Doc."""\n\nimport os\n\nx = 1\n'),
        ('"""Doc."""\nx = 1\n', '"""Doc."""\n\nimport os\n\nx = 1\n'),
        ("#!/usr/bin/python\n# Licence\n\n# of x\nx = 1\n",
         "#!/usr/bin/python\n# Licence\n\nimport os\n\n# of x\nx = 1\n"),
        ("# Licence\n\n# More\n\n'Doc.'\n", "# Licence\n\n# More\n\n'Doc.'\n\nimport os\n"),
        ("# only", "# only\n\nimport os"),
        ("from __future__ import division\nx = 1\n",
         "from __future__ import division\n\nimport os\nx = 1\n"),
        ("import sys", "import os\nimport sys"),
        ("import abc", "import abc\nimport os"),
        ("import abc; x = 1\n", "import abc; x = 1\nimport os\n"),
        ("import abc\r\nx = 1\r\n", "import abc\r\nimport os\r\nx = 1\r\n"),
        ("import numpy\n", "import os\n\nimport numpy\n"),
        ("def f():\n    import abc\n", "import os\n\n\ndef f():\n    import abc\n"),
        ("import abc; T = '''a\nb'''\nx = 1\n",
         "import abc; T = '''a\nb'''\nimport os\nx = 1\n"),
        ("'doc'; T = '''a\nb'''\nx = 1\n",
         "'doc'; T = '''a\nb'''\n\nimport os\nx = 1\n"),
        ("'doc' \\\n'more'\nx = 1\n", "'doc' \\\n'more'\n\nimport os\n\nx = 1\n"),
        ("('doc')\n", "('doc')\n\nimport os\n"),
        ("import abc\nx = os.sep\nimport sys\n", "import abc\nimport os\nx = os.sep\nimport sys\n"),
        ("'''Of os.'''\nimport sys\n", "'''Of os.'''\nimport os\nimport sys\n"),
        ("x = os.sep\nimport sys\n", "import os\n\nx = os.sep\nimport sys\n"),
        ("# of f\ndef f():\n    pass\n", "import os\n\n\n# of f\ndef f():\n    pass\n"),
        ("# coding: utf-8\ndef f():\n    pass\n",
         "# coding: utf-8\n\nimport os\n\ndef f():\n    pass\n"),
        ("import abc\nx = 1\nimport sys\n", "import abc\nimport os\nx = 1\nimport sys\n"),
    ],
)  # fmt: skip
def test_the_place_of_a_plain_import(before: str, after: str) -> None:
    assert with_imports(before, OS) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from typing import Any, cast\n", "from typing import Any, Optional, cast\n"),
        ("from typing import Union\n", "from typing import Optional, Union\n"),
        ("from typing import any, Union\n", "from typing import any, Optional, Union\n"),
        ("from typing import (\n    Any,\n    List,  # noqa\n)\n",
         "from typing import (\n    Any,\n    List,  # noqa\n    Optional,\n)\n"),
        ("from typing import Any, \\\n    Union\n",
         "from typing import Any, \\\n    Union\nfrom typing import Optional\n"),
        ("from typing import Any\nfrom typing import Union\n",
         "from typing import Any\nfrom typing import Union\nfrom typing import Optional\n"),
        ("from typing import Any, Union\n", "from typing import Any, Optional, Union\n"),
        ("from typing import cast, Any\n", "from typing import cast, Any, Optional\n"),
        ("from typing import (\n    Any,\n    Union,\n)\n",
         "from typing import (\n    Any,\n    Optional,\n    Union,\n)\n"),
        ("from typing import (\n    Any,\n    List,\n)\n",
         "from typing import (\n    Any,\n    List,\n    Optional,\n)\n"),
        ("from typing import (Any,\n                    Union)\n",
         "from typing import (Any,\n                    Optional,\n                    Union)\n"),
        ("from typing import *\n", "from typing import *\nfrom typing import Optional\n"),
        ("from typing import " + "Any as something_long, " * 3 + "Set\n",
         "from typing import " + "Any as something_long, " * 3 + "Set\n"
         "from typing import Optional\n"),
    ],
)  # fmt: skip
def test_one_name_more_of_the_same_module(before: str, after: str) -> None:
    assert with_imports(before, OPTIONAL) == after


def test_edits_only_insert() -> None:
    data = b"import sys\nx = 1\n\n\ndef f():\n    return 2\n"
    top, below = Edit(0, 0, "import os\n"), Edit(11, 11, "\nimport numpy as np\n")
    assert insertions(parse(data), [OS, NUMPY]) == [top, below]
    assert insertions(parse(data), [NUMPY, OS]) == [top, below]
    both = Edit(0, 0, "import abc\nimport os\n")
    assert insertions(parse(data), [OS, NUMPY, Import("abc", "abc")]) == [both, below]
    assert insertions(parse(data), []) == []


def test_long_files_take_no_time() -> None:
    data = b"import sys\n" + b"\n\nx = [\n]\n" * 20_000
    assert len(insertions(parse(data), [OS, NUMPY])) == 2
    assert imports_of(b"from a import (\n" * 50_000) == ()


def test_only_what_stands_in_the_first_column_holds_always() -> None:
    text = b"import a\nif b:\n    import c\ntry: import d\nexcept: pass\nimport e; import f\n"
    text += b"def g():\n    from h import i\n\x0cimport j.k as j, l.m as n\n"
    text += b"'''\nimport o\n'''\n"
    assert [one.name for one in imports_of(text, top=True)] == ["a", "e"]
    assert [one.name for one in imports_of(text)] == ["i", "a", "c", "e", "f", "n"]


def test_what_programs_at_large_import() -> None:
    found = common_imports()
    assert found["np"] == NUMPY
    assert found["Path"].statement == "from pathlib import Path"
    assert all(compile_error(one.statement.encode()) is None for one in found.values())
    assert all(name == one.name and not one.module.startswith(".") for name, one in found.items())
