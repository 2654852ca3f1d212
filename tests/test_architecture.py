"""The house keeps its floors: who may import whom, which room may use which library, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ropero"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# From the ground up. Rooms of one floor are strangers to each other.
FLOORS = [
    {"texts"},
    {"errors"},
    {"runtime", "storage"},
    {"bounds"},
    {"data", "metrics"},
    {"models"},
    {"training"},
    {"evaluation", "embeddings", "generation", "photos", "export"},
    {"shelf"},
    {"runs", "generators"},
    {"experiments", "reports", "catalog"},
    {"workbench"},
    {"service"},
    {"cli"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Third parties that any room may use, and those that only some may.
EVERYWHERE = {"numpy"}
ONLY_IN = {
    "torch": {"runtime", "data", "models", "training", "evaluation", "export", "generation"},
    "safetensors": {"models", "training", "export"},
    "tensorboard": {"training"},
    "PIL": {"data", "evaluation", "reports", "workbench"},
    "pyarrow": {"data"},
    "platformdirs": {"storage"},
    "filelock": {"data", "models", "shelf", "workbench"},
    "h5py": {"models", "export"},
    "keras": {"export"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "onnxscript": {"export"},
    "threadpoolctl": {"generation"},
    "sklearn": {"evaluation", "generation"},
    "skimage": {"generation"},
    "matplotlib": {"reports"},
    "jinja2": {"reports"},
    "markupsafe": {"reports"},
    "fontTools": {"reports"},
    "typst": {"reports"},
    "av": {"reports"},
    "optuna": {"workbench"},
    "rich": {"workbench", "cli"},
    "cyclopts": {"cli"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            # `from ropero.data import idx` imports ropero.data.idx
            yield from (f"{module}.{alias.name}" for alias in node.names) if module.startswith("ropero") else [module]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stay_on_their_floors(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "ropero":
            there = parts[1] if len(parts) > 1 and parts[1] in FLOOR else here
            assert there == here or FLOOR[there] < FLOOR[here], f"{here} may not import {name}"
        elif parts[0] not in sys.stdlib_module_names and parts[0] not in EVERYWHERE:
            assert here in ONLY_IN.get(parts[0], set()), f"{here} may not use {parts[0]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert not text or ast.get_docstring(ast.parse(text)), "no module docstring"


def test_importing_ropero_loads_nothing_heavy() -> None:
    code = "import sys, ropero; print(*{'torch', 'numpy', 'matplotlib', 'rich', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from ropero.cli.app import run; assert run(['train', '--help']) == 0;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_no_code_from_strangers_can_run() -> None:
    """No pickle, eval or exec anywhere in the product; torch's pickles only where it builds nothing but tensors."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "pickle.load", "pickle.loads", "joblib.load"}, path
                if called == "torch.load":
                    assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords), path
                assert not any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords), path


def test_the_readmes_are_what_results_and_disk_say() -> None:
    """The tree and the results table are written by a program; a README that tells otherwise is stale."""
    asked = [sys.executable, ROOT / "scripts" / "readme.py", "--check"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
