"""What the command line must not load before it has to: help and parsing are to be instant."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

LINEAGE = str(Path(sys.executable).with_name("lineage"))
BUILD_THE_PARSER = """
import click
from cli.main import cli
context = click.Context(cli)
commands = [cli.get_command(context, name) for name in cli.list_commands(context)]
"""
HEAVY = ("azure.ai.ml", "pyapacheatlas", "azure.identity", "aiohttp", "networkx", "openlineage")


@pytest.mark.parametrize(
    "statement",
    [
        "import cli",
        BUILD_THE_PARSER,
        "import shared.bootstrap; shared.bootstrap.Services",
    ],
)
def test_importing_the_command_line_and_building_the_parser_loads_no_client(statement: str) -> None:
    """azure.ai.ml alone takes 1.5 s and 100 MB."""
    program = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_help_answers_in_half_a_second_of_cpu() -> None:
    """CPU time of the process, not the clock."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([LINEAGE, "--help"], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "replay" in done.stdout
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.5
