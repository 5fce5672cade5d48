"""Prints what publishing events would write, without writing it."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.publishing.plan import Plan, Skip


def print_plans(services: "Services", events: Iterable[str], *, as_json: bool) -> int:
    """
    Plan each event by itself: what an earlier one of them would write is not taken into account.

    Returns:
        How many of them could not be planned.
    """
    from cli.session import describe
    from shared.errors import LineageError

    failed = 0
    for body in events:
        event_type, event_id = describe(body)
        try:
            plan = _plan(services, body)
        except LineageError as error:
            failed += 1
            problem = {"event_type": event_type, "event_id": event_id, "error": error.reason, "detail": str(error)}
            click.echo(json.dumps(problem) if as_json else f"{event_type} {event_id}: {error.reason}: {error}")
            continue
        as_object = {"event_type": event_type, "event_id": event_id, **_to_json(plan)}
        click.echo(json.dumps(as_object) if as_json else _to_text(event_type, plan))
    return failed


def _plan(services: "Services", body: str) -> "Plan | Skip":
    from shared.intake.allow_list import read_any_event
    from shared.publishing.plan import Skip

    event = read_any_event(body, services.allowed)
    return event if isinstance(event, Skip) else services.publisher.plan(event)


def _to_json(plan: "Plan | Skip") -> dict[str, object]:
    from shared.publishing.plan import Skip

    if isinstance(plan, Skip):
        return {"would": "skip", "reason": plan.reason}
    return {
        "would": "write" if plan.changed else "change nothing",
        "subject": plan.subject,
        "matches": plan.explained,
        "match_rules": plan.rules,
        "entities": [
            {
                "typeName": entity.ref.type_name,
                "qualifiedName": entity.ref.qualified_name,
                "attributes": dict(entity.attributes),
                **({"inputs": [ref.qualified_name for ref in entity.inputs]} if entity.inputs is not None else {}),
                **({"outputs": [ref.qualified_name for ref in entity.outputs]} if entity.outputs is not None else {}),
            }
            for entity in plan.changed
        ],
    }


def _to_text(event_type: str, plan: "Plan | Skip") -> str:
    from shared.publishing.plan import Skip

    if isinstance(plan, Skip):
        return f"{event_type}: would be skipped: {plan.reason}"
    lines = [f"{event_type}: {plan.subject}: {len(plan.changed)} of {len(plan.entities)} entities would be written"]
    lines += [f"    {entity.ref.type_name:<32} {entity.ref.qualified_name}" for entity in plan.changed]
    lines += ["  data outside Azure ML, and how the catalog knows it:"] if plan.matches else []
    for place, match in sorted(plan.matches.items()):
        why = f"  ({match.rule.removeprefix('placeholder: ')})" if match.rule else ""
        lines.append(f"    {match.kind.value:<32} {place.qualified_name}{why}")
    return "\n".join(lines)
