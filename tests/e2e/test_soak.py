"""A small soak, as part of every test run; `make soak` is the large one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("azurite_installed")
def test_nothing_is_lost_or_doubled_under_faults_and_kills(tmp_path: Path) -> None:
    """Hundreds of deliveries, a fifth of the requests failing, and the publisher killed in between."""
    command = [sys.executable, "-m", "benchmarks.soak", "--deliveries", "100", "--kills", "2", "--seed", "11"]
    done = subprocess.run(  # noqa: S603 - our own module
        [*command, "--life", "4", "--minutes", "4", "--keep", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "nothing lost, nothing doubled, nothing partial" in done.stderr
    assert "seed 11" in done.stderr
