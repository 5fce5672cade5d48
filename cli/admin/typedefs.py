"""`lineage typedefs`: plan and apply what must be added to the catalog's types."""

import json
from typing import TYPE_CHECKING

import click

from cli.output import say_text

if TYPE_CHECKING:
    from shared.purview.types import TypePlan


@click.group(short_help="Plan or apply the types that lineage needs.")
def typedefs() -> None:
    """Plan or apply the types that lineage needs in the catalog; nothing is ever taken away."""


@typedefs.command()
@click.option("--json", "as_json", is_flag=True, help="Print the definitions that would be sent.")
def plan(*, as_json: bool) -> None:
    """
    Show what `apply` would create and update.

    Example: lineage typedefs plan
    """
    from cli.session import open_services

    planned = open_services().catalog.plan_types()
    say_text(_to_json(planned) if as_json else _to_text(planned, "would be created", "would be updated"))


@typedefs.command()
@click.option("--json", "as_json", is_flag=True, help="Print the definitions that were sent.")
def apply(*, as_json: bool) -> None:
    """
    Create and update types; doing so twice changes nothing.

    Example: lineage typedefs apply
    """
    from cli.session import open_services

    catalog = open_services().catalog
    planned = catalog.plan_types()
    catalog.apply_types(planned)
    say_text(_to_json(planned) if as_json else _to_text(planned, "created", "updated"))


def _to_text(planned: "TypePlan", created: str, updated: str) -> str:
    if planned.is_empty:
        return "All types are installed; there is nothing to change."
    lines = [
        f"{definition['name']}: {created}" for definition in (*planned.create_entities, *planned.create_relationships)
    ]
    lines += [f"{name}: {updated} ({', '.join(added)})" for name, added in planned.changes.items()]
    return "\n".join(lines)


def _to_json(planned: "TypePlan") -> str:
    return json.dumps(
        {
            "create": {
                "entityDefs": list(planned.create_entities),
                "relationshipDefs": list(planned.create_relationships),
            },
            "update": {"entityDefs": list(planned.update_entities)},
        }
    )
