"""`lineage status`: what is in the catalog, what is missing and why, and what waits for somebody."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shared.reconciling.coverage import Coverage, Gap
    from shared.state.ports import DeadLetter

_NAMES = 20
_FINAL = ("MalformedEvent", "OversizedEvent")
"""Reasons that no replay helps against."""
_PLURALS = {"run": "completed runs", "model": "model versions", "endpoint": "endpoints"}


@click.command(short_help="Show coverage, gaps and dead letters.")
@click.option("--all", "show_all", is_flag=True, help=f"Print every gap, not only {_NAMES} for each reason.")
@click.option("--check", is_flag=True, help="Exit with 1 unless everything is linked and no dead letter is open.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every gap.")
def status(*, show_all: bool, check: bool, as_json: bool) -> None:
    """
    Show how much of each workspace is in the catalog, what is missing and why, the queue, and the dead letters.

    Coverage is what the last tick of `reconcile` found; nothing is asked of Azure ML or the catalog.

    Example: lineage status --check
    """
    from cli.session import open_reading_services
    from shared.reconciling.coverage import read_coverage

    services = open_reading_services()
    coverages = read_coverage(services.state.notes)
    waiting = services.queue.count()
    letters = services.dead_letters.list_open()
    if as_json:
        click.echo(json.dumps(_to_json(coverages, waiting, letters), indent=2))
    else:
        limit = None if show_all else _NAMES
        click.echo("\n\n".join(["\n".join(part) for part in _to_text(coverages, waiting, letters, limit=limit)]))
    covered = bool(coverages) and all(each.complete and not each.gaps for each in coverages)
    sys.exit(1 if check and (letters or not covered) else 0)


def _to_json(coverages: "Sequence[Coverage]", waiting: int, letters: "Sequence[DeadLetter]") -> dict[str, object]:
    return {
        "workspaces": [
            {
                "workspace": coverage.workspace,
                "percent": coverage.percent,
                "complete": coverage.complete,
                "at": coverage.at,
                "kinds": {
                    kind: {"linked": coverage.linked[kind], "total": total} for kind, total in coverage.totals.items()
                },
                "gaps": [
                    {
                        "kind": gap.kind,
                        "name": gap.name,
                        **({"version": gap.version} if gap.version else {}),
                        "reason": gap.reason,
                        **({"enqueued_at": gap.enqueued_at} if gap.enqueued_at else {}),
                    }
                    for gap in coverage.gaps
                ],
            }
            for coverage in coverages
        ],
        "queue": waiting,
        "dead_letters": [
            {"reason": reason, "count": len(group), "oldest": group[0].at.isoformat(), "replay": replay_command(reason)}
            for reason, group in _by_reason(letters)
        ],
    }


def _to_text(
    coverages: "Sequence[Coverage]", waiting: int, letters: "Sequence[DeadLetter]", *, limit: int | None
) -> Iterator[list[str]]:
    if not coverages:
        yield ["No workspace has been looked at yet: the timer `reconcile` does so after the app is deployed."]
    for coverage in coverages:
        yield [*_workspace_lines(coverage), *_gap_lines(coverage.gaps, limit=limit)]
    yield [f"Queue: {waiting} {'message waits' if waiting == 1 else 'messages wait'}."]
    if not letters:
        yield ["Dead letters: none is open."]
        return
    lines = [f"Dead letters: {len(letters)} {'is' if len(letters) == 1 else 'are'} open."]
    for reason, group in _by_reason(letters):
        lines.append(f"  {reason}: {len(group)}, the oldest of {group[0].at:%Y-%m-%d %H:%M:%S} UTC")
        lines.append(f"    {replay_command(reason)}")
    yield lines


def _workspace_lines(coverage: "Coverage") -> Iterator[str]:
    seen = "" if coverage.complete else ", as far as it was looked through; the inventory is not complete yet"
    yield f"{coverage.workspace}"
    yield f"  {coverage.percent} % are linked{seen} (looked at {coverage.at or 'never'})"
    for kind, total in coverage.totals.items():
        yield f"  {_PLURALS.get(kind, kind)}: {coverage.linked[kind]} of {total}"


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
    Tell the word that groups from what is said about the one thing.

    >>> _split("RecordNotFound: no run r1"), _split("it is on the queue")
    (('RecordNotFound', 'no run r1'), ('it is on the queue', ''))
    """
    word, _, detail = reason.partition(": ")
    return (word, detail) if word.isidentifier() else (reason, "")


def _by_reason(letters: "Iterable[DeadLetter]") -> "list[tuple[str, list[DeadLetter]]]":
    """Group dead letters, which come oldest first."""
    groups: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault(letter.reason, []).append(letter)
    return sorted(groups.items())


def replay_command(reason: str) -> str:
    command = f"lineage replay --dead-letters --reason {shlex.quote(reason)}"
    return f"{command} --discard" if reason in _FINAL else command
