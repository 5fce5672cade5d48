"""The table of kinds: complete, consistent, and the only place where a type's name is written."""

import ast
from collections.abc import Iterator
from pathlib import Path

import attr
import pytest

from explorer.looks import ICONS
from explorer.stylesheets import FAMILIES
from questions.impact import KINDS as LISTED
from shared.catalog.kinds import CONTAINMENTS, KINDS, Kind, Role, kind_of
from shared.openlineage.outgoing_facets import AzuremlProcessRunFacet

ROOT = Path(__file__).parents[2]
TREES = ("shared", "functions", "cli", "questions", "explorer", "tools")
PREFIXES = ("custom_ml_", "powerbi_")
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Yield each string of a module, with its line, that is the name of a type, or cut out of one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_word = node.value.isidentifier()
            if node.value in KINDS or (is_word and node.value.startswith(PREFIXES)):
                yield node.lineno, node.value


def test_no_type_is_named_outside_the_table() -> None:
    """Who asks for a kind asks the table: a name written elsewhere is knowledge of the kind in a second place."""
    table = ROOT / "shared/catalog/kinds.py"
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for tree in TREES
        for path in sorted((ROOT / tree).rglob("*.py"))
        if path != table
        for line, name in literals(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    ['kind == "custom_ml_model"', 'name.removeprefix("custom_ml_")', 'f"powerbi_{what}"', '{"column": 1}'],
)
def test_name_in_any_form_is_found(source: str) -> None:
    """Whole, as a prefix, in a format, as a key."""
    assert list(literals(source))


@each_kind
def test_kind_has_a_role_a_word_and_a_look(kind: Kind) -> None:
    """The explorer can draw each, and `lineage impact` knows what to list."""
    assert kind.role in Role
    assert kind.word
    assert kind.icon in ICONS
    assert kind.family in FAMILIES
    assert kind.listed_as in ("", *LISTED)


@each_kind
def test_process_is_a_process_for_atlas(kind: Kind) -> None:
    """An experiment alone is one without data that flows through it: that is what the accelerator made of it."""
    assert (kind.role is Role.PROCESS) <= kind.is_process
    assert kind.is_process <= (kind.role in (Role.PROCESS, Role.CONTAINER))


@each_kind
def test_what_describes_a_run_is_a_member_of_the_facet_or_left_out(kind: Kind) -> None:
    """A member that the facet does not have could not be sent."""
    if kind.role is Role.DESCRIBES_RUN and kind.openlineage:
        assert kind.openlineage in {each.name for each in attr.fields(AzuremlProcessRunFacet) if each.default is None}


def test_leftovers_are_deleted_before_what_contains_them_and_processes_before_data() -> None:
    """In any other order one would be deleted twice."""
    for each in CONTAINMENTS:
        assert 0 < KINDS[each.child_type].retired < KINDS[each.parent_type].retired
    retired = [kind for kind in KINDS.values() if kind.retired]
    assert sorted(kind.retired for kind in retired) == list(range(1, len(retired) + 1))
    processes = [kind.retired for kind in retired if kind.role is Role.PROCESS]
    assert max(processes) < min(kind.retired for kind in retired if not kind.is_process)


@pytest.mark.parametrize(
    ("type_name", "word", "openlineage"),
    [
        ("aws_s3_object", "aws s3 object", ""),
        ("amazon_s3_v2_resource_set", "resource set", ""),
        ("hdfs_path", "storage path", "FILE"),
        ("sap_file", "storage path", ""),
        ("snowflake_table", "table", "TABLE"),
        ("snowflake_view", "snowflake view", "VIEW"),
        ("powerbi_dataflow", "Power BI dataflow", ""),
    ],
)
def test_type_that_is_not_in_the_table_is_data_that_its_name_describes(
    type_name: str, word: str, openlineage: str
) -> None:
    """A catalog has hundreds of types."""
    kind = kind_of(type_name)
    assert (kind.role, kind.word, kind.openlineage) == (Role.DATA, word, openlineage)
