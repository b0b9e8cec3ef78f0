"""What decides takes the day, the settings and every fact as arguments, and touches nothing else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "pipeline"
PURE = sorted(
    [
        *(path for path in (ROOT / "routing").glob("*.py") if path.stem not in {"document", "load"}),
        *(ROOT / "registry" / f"{name}.py" for name in ("capabilities", "fit", "model", "prices", "words")),
        *(ROOT / "ledger").glob("*.py"),
        *(ROOT / "control").glob("*.py"),
    ]
)
IMPURE_MODULES = {"asyncio", "io", "os", "pathlib", "random", "secrets", "shutil", "socket", "subprocess", "sys"}
IMPURE_MODULES |= {"tempfile", "threading", "time", "uuid", "httpx", "requests", "sqlalchemy"}
IMPURE_MODULES |= {"pipeline.clock", "pipeline.settings"}
IMPURE_NAMES = {"open", "print", "input", "now", "utcnow", "today", "utc_now", "read_text", "write_text"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_decides_reads_no_clock_no_file_and_no_chance(path: Path) -> None:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & IMPURE_MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} & IMPURE_MODULES
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            found |= {name} & IMPURE_NAMES

    assert not found


def test_the_list_of_what_decides_is_not_empty() -> None:
    assert len(PURE) > 15
    assert all(path.is_file() for path in PURE)
