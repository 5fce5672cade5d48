"""`lineage backfill`: publishes what Azure ML holds and was never published."""

import hashlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from cli.options import moment
from cli.output import say

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.model import WorkspaceId
    from shared.publishing.plan import Outcome
    from shared.reconciling.backfill import Advance, Deliver
    from shared.state.ports import Message

_KINDS = ("runs", "models", "endpoints")
_TOO_MANY = 10
"""So many failures in a row, with no success, are no matter of single runs: a role or a service is missing."""
LEASE_POLL = 5.0
"""Seconds between two looks at a lease that another holds."""


@click.command(short_help="Publish what no event has reported.")
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    metavar="ARM_ID",
    help="Only this workspace; may be given several times. Default: all on the allow-list.",
)
@click.option("--since", type=moment, help="Only what was created at this time or later.")
@click.option("--until", type=moment, help="Only what was created before this time.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only this kind. Default: all.")
@click.option("--direct", is_flag=True, help="Publish here and now instead of putting events on the queue.")
@click.option("--restart", is_flag=True, help="Begin again, not where the same command was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def backfill(
    *,
    workspaces: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    kinds: tuple[str, ...],
    direct: bool,
    restart: bool,
    as_json: bool,
) -> None:
    """
    List completed runs, model versions and endpoints, newest first, and publish those the ledger does not have.

    It can be interrupted at any time: the same command goes on where it stopped. Endpoints have no creation time, so
    --since and --until do not apply to them.

    Example: lineage backfill --since 2026-01-01 --kind runs --kind models
    """
    from cli.session import open_services
    from shared.publishing.plan import DEAD_LETTERED
    from shared.reconciling.backfill import FAILED, Backfill, Section, put_on_queue

    if since and until and since >= until:
        raise click.UsageError("--until must be later than --since")
    services = open_services()
    sections = [
        Section(workspace, kind, since, until, direct)
        for workspace in _workspaces(services, workspaces)
        for kind in _KINDS
        if not kinds or kind in kinds
    ]
    deliver = _publish_here(services) if direct else put_on_queue(services.state, now=services.now)
    advances = Backfill(services.inventory, services.state, deliver, services.now).run(sections, restart=restart)
    try:
        counts = _show(advances, quiet=as_json)
    except KeyboardInterrupt:
        say("Interrupted. The same command goes on from here; with --restart it begins again.", err=True)
        sys.exit(1)
    if as_json:
        say(json.dumps({"workspaces": len({section.workspace for section in sections}), **_summary(counts, direct)}))
    else:
        words = [f"{count} {name.replace('_', ' ')}" for name, count in _summary(counts, direct).items()]
        say(", ".join(words))
    sys.exit(1 if counts.get(FAILED) or counts.get(DEAD_LETTERED) else 0)


def _workspaces(services: "Services", wanted: Sequence[str]) -> "list[WorkspaceId]":
    """Name those that are wanted, or all there are on the allow-list."""
    from shared.errors import ForeignWorkspaceError
    from shared.model import WorkspaceId

    found: set[WorkspaceId] = set()
    for arm_id in wanted:
        try:
            workspace = WorkspaceId.parse(arm_id)
            services.allowed.check(workspace)
        except ValueError as error:
            raise click.UsageError(f"--workspace: {error}") from error
        except ForeignWorkspaceError as error:
            raise click.UsageError(f"--workspace: {arm_id} is not in LINEAGE_WORKSPACES") from error
        found.add(workspace)
    if wanted:
        return sorted(found)
    return sorted({each for scope in services.allowed.prefixes for each in services.inventory.list_workspaces(scope)})


def _publish_here(services: "Services") -> "Deliver":
    """Return what publishes events in this process, a page of them at a time."""
    from cli.session import drain
    from shared.errors import ServiceUnavailableError
    from shared.intake.message import BACKFILL
    from shared.intake.receive import receive_event
    from shared.publishing.plan import CAME_BACK, DEAD_LETTERED
    from shared.state.sqlite import Database, SqliteQueue

    def handle(message: "Message") -> "Outcome":
        return _handle(services, message)

    def deliver(events: Sequence[str]) -> Iterator[str]:
        # In memory: if we are killed, the checkpoint brings the whole page back.
        database = Database(":memory:", now=services.now)
        queue = SqliteQueue(database)
        try:
            for event in events:
                message = receive_event(
                    event,
                    source=BACKFILL,
                    now=services.now,
                    open_dead_letters=lambda: services.dead_letters,
                    closes=_dead_letter_of(event),
                )
                if message is None:
                    yield DEAD_LETTERED
                else:
                    queue.put(message)
            unavailable = 0
            for report in drain(services, queue, handle=handle):
                reason = report.outcome.reason
                if report.failed:
                    say(report.to_line(), err=True)
                if report.failed and reason.startswith(("AccessDenied:", "ServiceUnavailable:")):
                    unavailable += 1
                elif report.outcome.outcome != CAME_BACK:
                    unavailable = 0
                if unavailable == _TOO_MANY:
                    raise ServiceUnavailableError(f"{unavailable} in a row could not be published, because of {reason}")
                if report.outcome.outcome != CAME_BACK:
                    yield report.outcome.outcome
            due = queue.next_visible_at()
        finally:
            database.close()
        if due:
            raise ServiceUnavailableError(f"the services ask for patience until {due:%H:%M:%S} UTC")

    return deliver


def _dead_letter_of(event: str) -> str:
    """Name the dead letter of a synthetic event, so that another attempt replaces it and success closes it."""
    members = json.loads(event)
    return "backfill-" + hashlib.sha256(" ".join((members["topic"], members["subject"])).encode()).hexdigest()[:32]


def _handle(services: "Services", message: "Message") -> "Outcome":
    """Handle a message; wait for the lease of a worker that was killed, such as this command before: it runs out."""
    from shared.errors import LeaseHeldError
    from shared.publishing.engine import LEASE

    last = services.now() + LEASE
    while True:
        try:
            return services.deliveries.handle(message)
        except LeaseHeldError:
            if services.now() >= last:
                raise
            time.sleep(LEASE_POLL)


def _show(advances: "Iterator[Advance]", *, quiet: bool) -> Mapping[str, int]:
    """Show what comes of it while it goes on, and return the counts in the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    counts: Mapping[str, int] = {}
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        resumed = False
        for advance in _until_interrupted(advances):
            counts = advance.counts
            progress.update(task, description=_words(advance))
            if advance.resumed and not resumed:
                resumed = True
                say("Going on where this command was interrupted; --restart begins again.", err=True)
            if advance.failure:
                what = f"{advance.section.workspace.name}, {advance.section.kind}"
                say(f"{what}: {advance.failure.reason}: {advance.failure}", err=True)
    if counts.get("failed"):
        say("What failed was not gone through to its end; the same command goes on there.", err=True)
    return counts


def _until_interrupted(advances: "Iterator[Advance]") -> "Iterator[Advance]":
    """
    Go on until Ctrl-C, and raise KeyboardInterrupt once the event at hand is done; a second one does so at once.

    An event that is cut short may leave its lease behind, and all who publish the same wait until it ends.
    """
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        for advance in advances:
            yield advance
            if asked:
                raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


def _words(advance: "Advance") -> str:
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in advance.counts.items())
    return f"{advance.section.workspace.name} {advance.section.kind}: {counts}"


def _summary(counts: Mapping[str, int], direct: bool) -> dict[str, int]:
    from shared.publishing.plan import DEAD_LETTERED, PUBLISHED, SKIPPED
    from shared.reconciling.backfill import ALREADY_THERE, ENQUEUED, FAILED, LISTED

    names = (LISTED, ALREADY_THERE, PUBLISHED if direct else ENQUEUED, SKIPPED, DEAD_LETTERED, FAILED)
    return {name: counts.get(name, 0) for name in names}
