"""The house keeps its order: each layer imports only what lies below it, and starts quickly.

Imports are read from the source by ``ast``, those inside functions included; a second look runs
the interpreter and asks which modules are loaded.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import codemtl.errors

PACKAGE = Path(codemtl.errors.__file__).parent

# What each part may import of the package, besides itself.
ALLOWED: dict[str, set[str]] = {
    "ending": set(),
    "machine": set(),
    "errors": set(),
    "scripting": {"errors"},
    "weights": set(),
    "syntax": {"ending", "errors"},
    "corpus": {"errors", "syntax"},
    "tasks": {"errors", "syntax", "corpus"},
    "model": {"ending", "errors", "syntax", "corpus", "tasks"},
    "training": {"errors", "machine", "syntax", "corpus", "tasks", "model", "inference"},
    "inference": {"errors", "syntax", "tasks", "model"},
    "evaluation": {"ending", "errors", "syntax", "corpus", "tasks", "model", "inference"},
    # between them and the command line: a sequence of what they do, which none of them may know
    "finetune": {
        "errors",
        "syntax",
        "corpus",
        "tasks",
        "model",
        "training",
        "inference",
        "evaluation",
    },
    "search": {"ending", "errors", "machine", "syntax", "inference"},
    "serving": {"errors", "syntax", "inference"},
    "report": {"errors", "syntax"},
    "vision": {"ending", "errors", "machine"},
    "configuration": {"errors", "syntax"},
    "cli_vision": {"errors", "report", "configuration", "vision"},
    "__main__": {"cli"},
}
EVERYWHERE = {"__version__"}
UNBOUND = {
    "cli",
    "cli_compare",
    "cli_evaluate",
    "cli_finetune",
    "cli_options",
    "cli_search",
    "cli_serve",
    "cli_train",
    "__init__",
}  # the top: may import all, heavy parts inside functions only

# These load torch, at once or soon.
HEAVY = {"torch", "transformers", "torchvision", "torchjd", "accelerate"}
HEAVY_PARTS = {"model", "training", "vision"}
LIGHT_MODULES = {f"codemtl.model{one}" for one in ("", ".config", ".folder", ".tokenizer")}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["codemtl", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)] = path
    return found


MODULES = modules()


def part_of(module: str) -> str:
    """The part of the house: "syntax" of "codemtl.syntax.tree"."""
    return module.split(".")[1]


def imports(path: Path, module: str, top_level: bool = False) -> Iterator[str]:
    """Names of imported modules; ``top_level`` leaves out functions and TYPE_CHECKING."""
    pending: list[ast.AST] = [ast.parse(path.read_bytes())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")
            if node.level:
                keep = len(base) - node.level + (path.name == "__init__.py")
                prefix = ".".join([*base[:keep], *([node.module] if node.module else [])])
            else:
                prefix = node.module or ""
            for alias in node.names:
                inner = f"{prefix}.{alias.name}"
                yield inner if inner in MODULES or prefix == "codemtl" else prefix
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if top_level and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))


def is_heavy_allowed(module: str) -> bool:
    part = part_of(module)
    if module in LIGHT_MODULES:
        return False
    return part in HEAVY_PARTS or (part == "inference" and "torch" in module.rpartition(".")[2])


def violations(module: str, path: Path) -> list[str]:
    part = part_of(module)
    found = []
    for name in imports(path, module):
        top, _, rest = name.partition(".")
        if top == "codemtl":
            target = rest.partition(".")[0] or "__init__"
            allowed = ALLOWED.get(part, set()) | EVERYWHERE | {part}
            if part not in UNBOUND and target not in allowed:
                found.append(f"{module} imports {name}")
            if target == "vision" and part not in {"vision", "cli", "cli_vision"}:
                found.append(f"{module} imports {name}: only cli may")
        elif top in HEAVY and not is_heavy_allowed(module):
            found.append(f"{module} imports {name}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_what_lies_below(module: str) -> None:
    assert violations(module, MODULES[module]) == []


@pytest.mark.parametrize("module", MODULES)
def test_every_part_is_known(module: str) -> None:
    assert part_of(module) in ALLOWED.keys() | UNBOUND


def test_the_layers_have_an_order() -> None:
    TopologicalSorter(ALLOWED).prepare()


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        module: {name for name in imports(path, module, top_level=True) if name in MODULES}
        - {module}
        for module, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


@pytest.mark.parametrize(
    ("module", "source", "bad"),
    [
        ("codemtl.syntax.x", "import torch", True),
        ("codemtl.syntax.x", "def f():\n    from torch.nn import Linear", True),
        ("codemtl.syntax.x", "from codemtl.model.config import Config", True),
        ("codemtl.syntax.x", "from ..tasks import repair", True),
        ("codemtl.syntax.x", "from . import tree\nimport codemtl.errors", False),
        ("codemtl.model.config", "import transformers", True),
        ("codemtl.model.encoder", "import transformers", False),
        ("codemtl.inference.torch_runtime", "import torch", False),
        ("codemtl.inference.repair", "import torch", True),
        ("codemtl.inference.repair", "from codemtl import training", True),
        ("codemtl.training.loop", "from codemtl.vision import data", True),
        ("codemtl.inference.repair", "from codemtl import __version__", False),
        ("codemtl.inference.repair", "from codemtl import Repairer", True),
        ("codemtl.inference.repair", "import codemtl", True),
        ("codemtl.cli", "import torch", True),
        ("codemtl.cli", "from codemtl.vision import train", False),
        ("codemtl.cli_vision", "from codemtl.vision import train", False),
        ("codemtl.vision.data", "from codemtl.training import loop", True),
    ],
)
def test_the_walker_sees(tmp_path: Path, module: str, source: str, bad: bool) -> None:
    path = tmp_path / "x.py"
    path.write_text(source)
    assert bool(violations(module, path)) is bad


def _loaded(program: str, *arguments: str) -> set[str]:
    """Which heavy modules a fresh interpreter holds after ``program``."""
    ask = f"\nfinally:\n    print('loaded:', *sorted({HEAVY!r} & sys.modules.keys()))"
    body = "import sys\ntry:\n    " + program + ask
    done = subprocess.run(
        [sys.executable, "-c", body, *arguments],
        capture_output=True, text=True, check=False, cwd=PACKAGE.parent, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_the_look_at_loaded_modules_can_fail() -> None:
    fake = "sys.modules['torch'] = sys"
    assert _loaded(fake) == {"torch"}


def test_importing_the_package_does_not_import_torch() -> None:
    assert _loaded("import codemtl") == set()


@pytest.mark.skipif("codemtl.cli" not in MODULES, reason="the command line is not written yet")
def test_help_does_not_import_torch() -> None:
    assert (
        _loaded("import runpy; runpy.run_module('codemtl.cli', run_name='__main__')", "--help")
        == set()
    )


def test_repairing_a_file_does_not_import_torch(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("def f(a):\n    return a\n")
    program = "import runpy; runpy.run_module('codemtl.cli', run_name='__main__')"
    assert _loaded(program, "repair", str(file)) == set()


def test_loading_texts_does_not_import_what_only_compiling_needs() -> None:
    """That takes longer than the weights: drawing them on the device "meta" would import it."""
    program = """
import sys
from codemtl import inference
from codemtl.inference import torch_runtime
torch_runtime.load(inference.SHIPPED_MODEL)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, cwd=PACKAGE.parent, timeout=120,
    )  # fmt: skip
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "module", [name for name in MODULES if part_of(name) in {"syntax", "corpus", "tasks"}]
)
def test_light_parts_do_not_import_torch(module: str) -> None:
    """At run time too: a library in between may import what our source does not name."""
    if module.rpartition(".")[2] == "build":
        pytest.skip("datasets decides for itself what it loads")
    assert _loaded(f"import {module}") == set()
