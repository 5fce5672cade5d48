"""`lineage replay`: publish again, or for the first time, events that lie in files."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cli.session import Report
    from shared.bootstrap import Services
    from shared.handlers.plan import Plan, Skip

STDIN = "-"


@click.command(short_help="Publish events from files or standard input.")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|FOLDER|- …")
@click.option("--direct", is_flag=True, help="Publish here and now instead of putting the events on the queue.")
@click.option("--force", is_flag=True, help="With --direct: write everything anew, whatever was written before.")
@click.option("--dry-run", is_flag=True, help="Print what publishing would change; write nothing anywhere.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def replay(*, sources: tuple[str, ...], direct: bool, force: bool, dry_run: bool, as_json: bool) -> None:
    """
    Replay events from files, folders of *.json files, or standard input.

    A file holds one event or an array of them, in the Event Grid or the CloudEvents schema; Event Grid's own
    dead-letter files are read as they are.

    Example: lineage replay emulator/scenarios/credit-risk/events --direct
    """
    from cli.session import open_reading_services, open_services
    from shared.envelopes import split_events

    bodies = [event for text in _read(sources) for event in split_events(text)]
    if not bodies:
        raise click.UsageError("there is no event in what was given")
    services = open_reading_services() if dry_run else open_services()
    if force and not direct:
        raise click.UsageError("--force needs --direct")
    if dry_run:
        failed = _print_plans(services, bodies, as_json=as_json)
    elif direct:
        failed = _publish(services, bodies, as_json=as_json, force=force)
    else:
        from shared.handlers.message_body import REPLAY
        from shared.handlers.receive import enqueue

        enqueue(bodies, services.queue, services.dead_letters, source=REPLAY, now=services.now)
        noun = "event is" if len(bodies) == 1 else "events are"
        click.echo(json.dumps({"enqueued": len(bodies)}) if as_json else f"{len(bodies)} {noun} on the queue.")
        failed = 0
    sys.exit(1 if failed else 0)


def _read(sources: tuple[str, ...]) -> Iterator[str]:
    for source in sources:
        if source == STDIN:
            text = sys.stdin.read()
            if text.strip():
                yield text
            continue
        path = Path(source)
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise click.UsageError(f"{source}: there is no *.json file in this folder")
        for file in files:
            try:
                yield file.read_text(encoding="utf-8")
            except OSError as error:
                raise click.UsageError(f"{file}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise click.UsageError(f"{file}: is not UTF-8 text") from error


def _publish(services: "Services", bodies: list[str], *, as_json: bool, force: bool) -> int:
    from cli.session import drain, local_queue
    from shared.handlers.message_body import REPLAY
    from shared.handlers.outcome import CAME_BACK, DEAD_LETTERED
    from shared.handlers.receive import enqueue

    queue = local_queue(services)
    enqueue(bodies, queue, services.dead_letters, source=REPLAY, now=services.now)
    counts: Counter[str] = Counter()
    for report in drain(services, queue, force=force):
        if report.outcome.outcome != CAME_BACK:
            counts[report.outcome.outcome] += 1
        click.echo(json.dumps(report.to_json()) if as_json else to_line(report))
    if not as_json:
        click.echo(", ".join(f"{count} {outcome.replace('_', '-')}" for outcome, count in sorted(counts.items())))
    left = queue.next_visible_at()
    if left:
        click.echo(
            f"Messages are left on the queue; the next is due at {left:%H:%M:%S} UTC. Replay again then.", err=True
        )
    return counts[DEAD_LETTERED] + (1 if left else 0)


def to_line(report: "Report") -> str:
    """Say in one line how a message ended."""
    outcome = report.outcome
    words = [f"{outcome.outcome.replace('_', '-'):<13}", f"{report.event_type:<20}", outcome.subject or report.event_id]
    if report.attempt > 1:
        words.append(f"(attempt {report.attempt})")
    if outcome.written:
        words.append(f"({outcome.written} {'entity' if outcome.written == 1 else 'entities'} written)")
    line = " ".join(words)
    return f"{line}: {outcome.reason}" if outcome.reason else line


def _print_plans(services: "Services", bodies: list[str], *, as_json: bool) -> int:
    """Plan each event by itself: what an earlier one of them would write is not taken into account."""
    from cli.session import describe
    from shared.errors import LineageError
    from shared.handlers.messages import read_event, unknown_type
    from shared.handlers.plan import Skip

    failed = 0
    for body in bodies:
        event_type, event_id = describe(body)
        try:
            unknown = unknown_type(body)
            plan = Skip(unknown) if unknown else services.publisher.plan(read_event(body, services.allowed))
        except LineageError as error:
            failed += 1
            problem = {"event_type": event_type, "event_id": event_id, "error": error.reason, "detail": str(error)}
            click.echo(json.dumps(problem) if as_json else f"{event_type} {event_id}: {error.reason}: {error}")
            continue
        as_object = {"event_type": event_type, "event_id": event_id, **_to_json(plan)}
        click.echo(json.dumps(as_object) if as_json else _to_text(event_type, plan))
    return failed


def _to_json(plan: "Plan | Skip") -> dict[str, object]:
    from shared.handlers.plan import Skip

    if isinstance(plan, Skip):
        return {"would": "skip", "reason": plan.reason}
    return {
        "would": "write" if plan.changed else "change nothing",
        "subject": plan.subject,
        "matches": {place.qualified_name: match.kind.value for place, match in plan.matches.items()},
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
    from shared.handlers.plan import Skip

    if isinstance(plan, Skip):
        return f"{event_type}: would be skipped: {plan.reason}"
    lines = [f"{event_type}: {plan.subject}: {len(plan.changed)} of {len(plan.entities)} entities would be written"]
    lines += [f"    {entity.ref.type_name:<32} {entity.ref.qualified_name}" for entity in plan.changed]
    lines += ["  data outside Azure ML, and how the catalog knows it:"] if plan.matches else []
    lines += [f"    {match.kind.value:<32} {place.qualified_name}" for place, match in sorted(plan.matches.items())]
    return "\n".join(lines)
