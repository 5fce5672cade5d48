"""`lineage status`: what is in the catalog, what is missing and why, and which messages and dead letters wait."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cli.output import say, say_text

if TYPE_CHECKING:
    from questions.health import Health
    from shared.reconciling.coverage import Coverage, Gap

_NAMES = 20


@click.command(short_help="Show coverage, gaps and dead letters.")
@click.option("--all", "show_all", is_flag=True, help=f"Print every gap, not only {_NAMES} for each reason.")
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 unless everything is linked, no dead letter is open, and nothing is on the poison queue.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every gap.")
def status(*, show_all: bool, check: bool, as_json: bool) -> None:
    """
    Show how much of each workspace is in the catalog, what is missing and why, the queues, and the dead letters.

    Coverage is what the last tick of `reconcile` found; nothing is asked of Azure ML or the catalog. A schedule
    of these ticks (RECONCILE_SCHEDULE) that the Functions host would refuse is named first.

    Example: lineage status --check
    """
    from cli.session import open_reading_services
    from questions.health import read_health
    from shared.bindings import find_given_schedule_problems

    services = open_reading_services()
    wrong = find_given_schedule_problems(os.environ)
    health = read_health(
        services.state.notes, services.dead_letters, now=services.now(), scopes=services.allowed.prefixes
    )
    waiting, poison = services.queue.count(), services.state.poison.count()
    if as_json:
        document = health.to_json()
        letters = document.pop("dead_letters")
        settings = {"settings": wrong} if wrong else {}
        queues = {"queue": waiting, "poison": poison}
        say_text(json.dumps({**settings, **document, **queues, "dead_letters": letters}, indent=2))
    else:
        limit = None if show_all else _NAMES
        blocks = [*([wrong] if wrong else []), *_to_text(health, waiting, poison, limit=limit)]
        say(*(line for number, lines in enumerate(blocks) for line in ([""] if number else []) + lines))
    sys.exit(1 if check and (wrong or poison or health.dead_letters or not health.is_covered) else 0)


def _to_text(health: "Health", waiting: int, poison: int, *, limit: int | None) -> Iterator[list[str]]:
    from questions.health import replay_command

    if not health.coverages:
        yield ["No workspace has been looked at yet: the timer `reconcile` does so after the app is deployed."]
    for coverage in health.coverages:
        yield [*_workspace_lines(coverage), *_gap_lines(coverage.gaps, limit=limit)]
    lines = [f"Queue: {waiting} {'message waits' if waiting == 1 else 'messages wait'}."]
    if poison:
        lines.append(f"Poison queue: {poison} {'message waits' if poison == 1 else 'messages wait'}: the app could not")
        lines.append(
            "  start, or its storage refused. They come back by themselves once it can; `lineage doctor` says why."
        )
    yield lines
    count = health.open
    if not count:
        yield ["Dead letters: none is open."]
        return
    lines = [f"Dead letters: {count} {'is' if count == 1 else 'are'} open."]
    for reason, letters in health.dead_letters.items():
        lines.append(f"  {reason}: {letters.count}, the oldest of {letters.oldest:%Y-%m-%d %H:%M:%S} UTC")
        lines.append(f"    {replay_command(reason)}")
    yield lines


def _workspace_lines(coverage: "Coverage") -> Iterator[str]:
    from questions.health import KIND_WORDS

    seen = "" if coverage.complete else ", as far as it was looked through; the inventory is not complete yet"
    yield f"{coverage.workspace}"
    yield f"  {coverage.percent} % are linked{seen} (looked at {coverage.at or 'never'})"
    if coverage.problem:
        yield f"  not known for sure: {coverage.problem}"
    for kind, total in coverage.totals.items():
        yield f"  {KIND_WORDS.get(kind, kind)}: {coverage.linked[kind]} of {total}"


def _gap_lines(gaps: "Sequence[Gap]", *, limit: int | None) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for gap in gaps:
        reason, detail = _split(gap.reason)
        name = f"{gap.name}:{gap.version}" if gap.version else gap.name
        by_reason.setdefault(reason, []).append(f"{gap.kind} {name}{f': {detail}' if detail else ''}")
    for reason, names in sorted(by_reason.items()):
        yield f"  {len(names)} missing: {reason}"
        yield from (f"    {name}" for name in names[:limit])
        if limit is not None and len(names) > limit:
            yield f"    … and {len(names) - limit} more; --all prints them"


def _split(reason: str) -> tuple[str, str]:
    """
    Separate the word that groups from the details of one gap.

    >>> _split("RecordNotFound: no run r1"), _split("it is on the queue")
    (('RecordNotFound', 'no run r1'), ('it is on the queue', ''))
    """
    word, _, detail = reason.partition(": ")
    return (word, detail) if word.isidentifier() else (reason, "")
