"""`lineage replay`: publishes, perhaps again, events of files, dead letters and events that were not delivered."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import moment
from cli.output import say, say_text

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.errors import LineageError
    from shared.publishing.plan import Plan, Skip

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event to replay, and the dead letter that is closed when that succeeds."""

    body: str
    closes: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events from one place; `done` is called once all of them are on the queue, or have ended."""

    events: Sequence[Wanted]
    done: Callable[[], None] = lambda: None


@click.command(short_help="Publish events from files, dead letters, or what Event Grid could not deliver.")
@click.argument("sources", nargs=-1, metavar="[FILE|FOLDER|- …]")
@click.option("--dead-letters", is_flag=True, help="Replay open dead letters; success closes them.")
@click.option("--reason", default="", help="With --dead-letters: only those with this reason.")
@click.option("--id", "ids", multiple=True, help="With --dead-letters: only this one; may be given several times.")
@click.option("--discard", is_flag=True, help="With --reason or --id: close them and never replay them.")
@click.option("--undelivered", is_flag=True, help="Replay what Event Grid could not deliver to the app.")
@click.option("--since", type=moment, help="With --dead-letters or --undelivered: only those stored since then.")
@click.option("--direct", is_flag=True, help="Publish here and now instead of putting the events on the queue.")
@click.option("--force", is_flag=True, help="With --direct: write everything again, also what has not changed.")
@click.option("--dry-run", is_flag=True, help="Print what publishing would change; write nothing anywhere.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def replay(
    *,
    sources: tuple[str, ...],
    dead_letters: bool,
    reason: str,
    ids: tuple[str, ...],
    discard: bool,
    undelivered: bool,
    since: datetime | None,
    direct: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Replay events from files, folders of *.json files or standard input, or open dead letters, or undelivered events.

    A file holds one event or an array of them: in the Event Grid or the CloudEvents schema, or OpenLineage run events.
    Event Grid's own dead-letter files are read as they are. --undelivered reads them where Event Grid leaves them, in
    the storage account, and moves each below `replayed/` there.

    Example: lineage replay emulator/scenarios/credit-risk/events --direct

    Example: lineage replay --dead-letters --reason AccessDenied --since 2026-07-01

    Example: lineage replay --dead-letters --reason MalformedEvent --discard
    """
    from cli.session import open_reading_services, open_services

    if sum((bool(sources), dead_letters, undelivered)) != 1:
        raise click.UsageError("give either FILE|FOLDER|-, or --dead-letters, or --undelivered")
    if (reason or ids) and not dead_letters:
        raise click.UsageError("--reason and --id need --dead-letters")
    if discard and (not (reason or ids) or direct or dry_run):
        raise click.UsageError("--discard needs --reason or --id, and neither --direct nor --dry-run")
    if since and sources:
        raise click.UsageError("--since needs --dead-letters or --undelivered")
    if force and not direct:
        raise click.UsageError("--force needs --direct")
    from_files = _read_files(sources) if sources else Batch(())
    services = open_reading_services() if dry_run else open_services()
    if discard:
        closed = _read_dead_letters(services, reason=reason, since=since, ids=ids).events
        for letter in closed:
            services.dead_letters.close(letter.closes)
        say(json.dumps({"closed": len(closed)}) if as_json else f"{len(closed)} closed.")
        return
    replaying = _Replay(services, direct=direct, force=force, dry_run=dry_run, as_json=as_json)
    if dead_letters:
        replaying.run([_read_dead_letters(services, reason=reason, since=since, ids=ids)])
    elif undelivered:
        replaying.run(_read_undelivered(services, since=since, refuse=replaying.refuse))
    else:
        replaying.run([from_files])
    sys.exit(1 if replaying.failed else 0)


def _read_files(sources: tuple[str, ...]) -> Batch:
    from shared.intake.envelopes import split_events

    events = [Wanted(event) for text in _read(sources) for event in split_events(text)]
    if not events:
        raise click.UsageError("there is no event in what was given")
    return Batch(events)


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


def _read_dead_letters(services: "Services", *, reason: str, since: datetime | None, ids: Sequence[str]) -> Batch:
    letters = services.dead_letters.list_open(reasons=[reason] if reason else (), since=since)
    missing = set(ids) - {letter.id for letter in letters}
    if missing:
        raise click.UsageError(f"--id: there is no such open dead letter: {', '.join(sorted(missing))}")
    return Batch([Wanted(letter.body, letter.id) for letter in letters if not ids or letter.id in ids])


def _read_undelivered(
    services: "Services", *, since: datetime | None, refuse: "Callable[[str, LineageError], None]"
) -> Iterator[Batch]:
    """Yield the events of one file after the other; one that cannot be read stays where it is."""
    from shared.errors import MalformedEventError, RecordNotFoundError
    from shared.intake.replay import read_undelivered

    undelivered = services.undelivered
    if undelivered is None:
        raise click.UsageError(
            "--undelivered: Event Grid leaves events in a storage account, and LINEAGE_STORAGE is a SQLite file"
        )
    try:
        for name in undelivered.list_names(since=since):
            try:
                events = read_undelivered(undelivered.read(name))
            except RecordNotFoundError:
                continue  # another replay has moved it
            except MalformedEventError as error:
                refuse(name, error)
                continue
            yield Batch([Wanted(event) for event in events], partial(undelivered.mark_replayed, name))
    finally:
        undelivered.close()


@dataclass
class _Replay:
    """Replays one batch after the other and prints what becomes of it; `failed` counts what went wrong."""

    services: "Services"
    direct: bool
    force: bool
    dry_run: bool
    as_json: bool
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def run(self, batches: Iterable[Batch]) -> None:
        any_event = False
        for batch in batches:
            any_event = any_event or bool(batch.events)
            if self.dry_run:
                self.failed += _print_plans(self.services, [event.body for event in batch.events], as_json=self.as_json)
                continue
            if self.direct and not self._publish(batch):
                break  # messages that wait are still where they came from
            if not self.direct:
                self._enqueue(batch)
            batch.done()
        self._print_counts(any_event=any_event)

    def refuse(self, name: str, error: "LineageError") -> None:
        """Report a file that cannot be read."""
        self.failed += 1
        problem = {"file": name, "error": error.reason, "detail": str(error)}
        say(json.dumps(problem) if self.as_json else f"{name}: left where it is: {error.reason}: {error}")

    def _messages(self, batch: Batch) -> Iterator[str]:
        from shared.intake.message import REPLAY
        from shared.intake.receive import list_messages
        from shared.publishing.plan import DEAD_LETTERED

        for event in batch.events:
            messages = list_messages(
                event.body,
                source=REPLAY,
                now=self.services.now,
                open_dead_letters=lambda: self.services.dead_letters,
                closes=event.closes,
            )
            if not messages:  # too large for the queue
                self.counts[DEAD_LETTERED] += 1
                self.failed += 1
            yield from messages

    def _enqueue(self, batch: Batch) -> None:
        for message in self._messages(batch):
            self.services.queue.put(message)
            self.counts["enqueued"] += 1

    def _publish(self, batch: Batch) -> bool:
        """Publish a batch; False if something of it is left on the queue."""
        from cli.session import drain, local_queue
        from shared.publishing.plan import CAME_BACK, DEAD_LETTERED

        queue = local_queue(self.services)
        for message in self._messages(batch):
            queue.put(message)
        for report in drain(self.services, queue, handle=partial(self.services.deliveries.handle, force=self.force)):
            if report.outcome.outcome != CAME_BACK:
                self.counts[report.outcome.outcome] += 1
            self.failed += report.outcome.outcome == DEAD_LETTERED
            say(json.dumps(report.to_json()) if self.as_json else report.to_line())
        left = queue.next_visible_at()
        if left:
            self.failed += 1
            say(f"Messages are left on the queue; the next is due at {left:%H:%M:%S} UTC. Replay again then.", err=True)
        return not left

    def _print_counts(self, *, any_event: bool) -> None:
        dead_lettered = self.counts["dead_lettered"]
        if not any_event and not self.as_json:
            say("There is nothing to replay.")
        elif self.dry_run or (self.direct and self.as_json):
            return
        elif self.direct:
            say(", ".join(f"{count} {name.replace('_', '-')}" for name, count in sorted(self.counts.items())))
        elif self.as_json:
            say(json.dumps({**self.counts, "enqueued": self.counts["enqueued"]}))
        else:
            enqueued = self.counts["enqueued"]
            say(f"{enqueued} {'event is' if enqueued == 1 else 'events are'} on the queue.")
            if dead_lettered:
                say(f"{dead_lettered} dead-lettered: too large for the queue.")


def _print_plans(services: "Services", events: Iterable[str], *, as_json: bool) -> int:
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
            say(json.dumps(problem) if as_json else f"{event_type} {event_id}: {error.reason}: {error}")
            continue
        as_object = {"event_type": event_type, "event_id": event_id, **_to_json(plan)}
        say_text(json.dumps(as_object) if as_json else _to_text(event_type, plan))
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
