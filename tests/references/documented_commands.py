"""Every command in a fenced block of the documentation, and who runs it."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").rglob("*.md")])

RUN_BY = {
    "make azurite": "Makefile",
    "make bench": "tests/integration/test_benchmarks.py",
    "make check": "Makefile",
    "make demo": "tests/e2e/test_demo.py",
    "make format": ".ci/run",
    "make lint": ".ci/run",
    "make lock": ".ci/run",
    "make package": "tests/e2e/test_package.py",
    "make sample": "tests/integration/test_sample_run.py",
    "make scan": ".ci/run",
    "make soak": "tests/e2e/test_soak.py",
    "make test": ".ci/run",
}
"""Targets, and the test that runs what they run; `make --dry-run` is run of each."""

NEEDS_AZURE = {
    "az": "Azure CLI: it signs in to Azure, or changes what is there",
    "azd": "Azure Developer CLI",
    "func": "Azure Functions Core Tools, which no package registry has",
    "cd": "goes before commands of the Azure CLI",
    "source": "goes before commands with what azd remembers of a deployment",
    "set": "reads what azd remembers of a deployment",
    "version=$(az": "Azure CLI",
}
"""The first words of commands that only run with Azure, or with tools of Azure that cannot be installed as packages."""

RUN_AS_SCRIPTS = ("README.md", "docs/running-locally.md", "docs/emulator.md")
"""Pages whose other commands belong together: tests/e2e/test_documented_commands.py runs them in their order."""

RUN_BY_COMMAND = ("docs/runbook.md", "docs/deploy.md", "docs/upgrade-from-the-accelerator.md")
"""Pages whose `lineage …` commands tests/integration/test_runbook.py runs one by one."""


def commands_of(page: Path) -> Iterator[str]:
    """Yield the commands of a page, those over several lines as one, without comments."""
    text = page.read_text(encoding="utf-8").replace("\\\n", "")
    for block in re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in map(str.strip, block.splitlines()):
            if line.startswith("$ "):
                yield re.sub(r"\s{2,}#.*$", "", line.removeprefix("$ "))
