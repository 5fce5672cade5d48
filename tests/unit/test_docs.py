"""Documentation that names commands, options, settings and types must name those that exist."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from cli.main import cli
from shared.catalog.kinds import list_ours
from shared.settings import Settings
from tests.recipes.setting_places import settings_in_code, settings_in_readme

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found: dict[str, click.Command] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found.update({f"{name} {verb}": item for verb, item in command.commands.items()})
        else:
            found[name] = command
    return found


@pytest.mark.parametrize("name", _commands())
def test_every_command_is_documented(name: str) -> None:
    """In the README's table."""
    assert f"`lineage {name}" in README


@pytest.mark.parametrize("name", _commands())
def test_every_command_has_help_with_an_example(name: str) -> None:
    """The example is of this very command."""
    assert f"Example: lineage {name}" in (_commands()[name].help or "")


def test_every_setting_is_documented_and_read() -> None:
    """The README's table and the code name the same settings."""
    assert settings_in_readme() == settings_in_code()
    assert len(settings_in_code()) == len(fields(Settings))


def test_every_metric_is_documented() -> None:
    """By the name under which the telemetry creates it."""
    page, code = (ROOT / "docs/telemetry.md").read_text(), (ROOT / "shared/telemetry.py").read_text()
    documented = set(re.findall(r"^\| `(lineage\.[a-z_]+)` \|", page, re.MULTILINE))
    assert documented == set(re.findall(r'create_\w+\("([a-z_.]+)"', code))


def undocumented_types() -> set[str]:
    """Return the types that we install and that have no row in the catalog model's table, as process or as data."""
    model = (ROOT / "docs/catalog-model.md").read_text(encoding="utf-8")
    rows = {kind.type_name: f"| `{kind.type_name}`{' (process)' if kind.is_process else ' |'}" for kind in list_ours()}
    return {name for name, row in rows.items() if row not in model}


def test_every_type_is_documented() -> None:
    """In the catalog model's table."""
    assert undocumented_types() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Relative links only; the others are not ours to keep."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    """By their path in the repository, with `*` and without an ending if they like."""
    folders = "benchmarks|cli|docs|emulator|explorer|functions|infra|questions|samples|shared|tests|tools"
    for path in re.findall(rf"`((?:{folders})/[\w./*-]*)`", page.read_text(encoding="utf-8")):
        name = path.rstrip("/")
        assert [*ROOT.glob(name), *ROOT.glob(f"{name}.*")], path


def test_every_make_target_that_is_documented_exists() -> None:
    """Across all pages."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (page.name, target)


@pytest.mark.parametrize("folder", ["harness", "worlds", "references"])
def test_every_module_that_tests_share_is_in_their_map(folder: str) -> None:
    """In tests/README.md, with what to use it for."""
    named = set(re.findall(r"`(?:\w+/)?(\w+)`", (ROOT / "tests/README.md").read_text()))
    assert {path.stem for path in (ROOT / "tests" / folder).glob("[a-z]*")} <= named
