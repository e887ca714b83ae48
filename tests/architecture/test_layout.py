"""How the tree is cut: imports go down only, files stay short, no module is named after nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "cyberalarm"
NAMELESS = {"utils", "util", "helpers", "helper", "manager", "managers", "data", "common", "misc"}
LONGEST_FILE = 450


def _sources() -> list[Path]:
    kernel = ROOT / "kernel" / "src"
    return sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi"), *kernel.rglob("*.rs")])


def test_imports_keep_the_contracts() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_no_file_is_too_long() -> None:
    sources = _sources()
    assert len(sources) > 100
    long = {
        str(path.relative_to(ROOT)): n
        for path in sources
        if (n := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_no_module_is_named_after_nothing() -> None:
    named = [path for path in PACKAGE.rglob("*") if path.stem in NAMELESS and (path.is_dir() or path.suffix == ".py")]
    assert named == []
    assert [p for p in (ROOT / "kernel" / "src").rglob("*.rs") if p.stem in NAMELESS] == []


def test_every_package_says_what_it_is() -> None:
    silent = []
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent.name in {"migrations", "__pycache__"}:
            continue
        if not ast.get_docstring(ast.parse(path.read_text("utf-8"))):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_the_kernels_stub_names_what_the_kernel_has() -> None:
    """Every class, method, property and function of `_kernel.pyi` is there, and nothing public is missing from it."""
    from cyberalarm import _kernel

    stub = ast.parse((PACKAGE / "_kernel.pyi").read_text("utf-8"))
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert set(classes) | functions == {name for name in vars(_kernel) if not name.startswith("_")}
    for name, node in classes.items():
        stubbed = {item.name for item in node.body if isinstance(item, ast.FunctionDef)} - {"__init__"}
        assert stubbed == {member for member in vars(getattr(_kernel, name)) if not member.startswith("_")}, name
