"""Golden cases through the pure core alone: what Azure ML answered is on file, the catalog is in memory."""

import json
import subprocess
import sys

import pytest

from tests.harness.pure_core import Core
from tests.worlds.golden_case import Case, case_names

OUTSIDE = ("azure.ai", "azure.identity", "azure.storage", "pyapacheatlas", "requests", "aiohttp", "emulator.server")


@pytest.mark.parametrize("name", case_names())
def test_case_played_through_the_pure_core_gives_its_golden_lineage(name: str) -> None:
    """Events → parse → plan → build; the lineage is the one that the whole path is held to."""
    case = Case.load(name)
    resolved = json.loads(case.resolved_file.read_text(encoding="utf-8"))
    assert Core(case, resolved).play() == json.loads(case.lineage_file.read_text(encoding="utf-8"))


def test_pure_core_is_played_without_sdk_and_emulator() -> None:
    """Otherwise it would not be alone."""
    program = f"import sys, tests.harness.pure_core\nprint([name for name in {OUTSIDE!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"
