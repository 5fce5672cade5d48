"""`lineage doctor`: checks every connection from Azure ML to the catalog, and says how to fix it."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from cli.options import AppDeployment, deployment_options
from cli.output import say, say_text

if TYPE_CHECKING:
    from cli.admin.checks.check import Check, Finding
    from cli.admin.checks.machine import Resolve
    from shared.bootstrap import Services

_MARKS = {"ok": ("✓", "green"), "problem": ("✗", "red"), "unchecked": ("?", "yellow")}
_PAUSE = 20.0


@click.command(short_help="Check every connection, and say how to fix it.")
@deployment_options
@click.option("--links", "only_links", is_flag=True, help="Leave out coverage and dead letters.")
@click.option("--wait", "minutes", type=click.FloatRange(0, 60), default=0, help="Try again for so many minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of what was found.")
def doctor(*, deployment: AppDeployment, only_links: bool, minutes: float, as_json: bool) -> None:
    """
    Check settings, sign-in, network, Azure ML, storage, Event Grid and the catalog, as you, from this machine.

    Works before the deployment too: what cannot be looked at yet is said. Writes one row and one entity, and deletes
    them again. The options are read from `azd env get-values`. Exits with 1 if there is a problem.

    Example: lineage doctor --json
    """
    from cli.admin.checks.machine import resolve

    findings = examine(os.environ, deployment, resolve=resolve, only_links=only_links, minutes=minutes)
    if as_json:
        say_text(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        _print(findings)
    sys.exit(1 if any(finding.state == "problem" for finding in findings) else 0)


def examine(
    environ: Mapping[str, str],
    deployment: AppDeployment,
    *,
    resolve: "Resolve",
    only_links: bool = False,
    minutes: float = 0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> "Sequence[Finding]":
    """Run every check that the settings allow; those that fail again until all is right or the time is over."""
    from cli.admin.checks.check import PROBLEM
    from cli.admin.checks.machine import check_settings, open_what_is_right
    from cli.admin.checks.state import check_history

    services, problems = open_what_is_right(environ)
    links = _collect(services, deployment, resolve, without=frozenset(problems))
    history = [] if only_links or "LINEAGE_STORAGE" in problems else check_history(services)
    checks = [check_settings(problems, environ), *links, *history]
    findings = [check.run() for check in checks]
    ends_at = clock() + minutes * 60
    while failing := [place for place, finding in enumerate(findings) if finding.state == PROBLEM]:
        if clock() + _PAUSE > ends_at:
            break
        names = ", ".join(findings[place].check for place in failing)
        say(f"Not right yet: {names}. A role that was just given takes a few minutes.", err=True)
        sleep(_PAUSE)
        for place in failing:
            findings[place] = checks[place].run()
    return findings


def _collect(
    services: "Services", deployment: AppDeployment, resolve: "Resolve", *, without: frozenset[str]
) -> "Iterator[Check]":
    """Yield the checks for which the settings are there, and say of the others what they wait for."""
    from cli.admin.checks.app import check_app
    from cli.admin.checks.catalog import check_catalog
    from cli.admin.checks.check import wait_for
    from cli.admin.checks.machine import check_hosts, check_sign_in
    from cli.admin.checks.state import check_state
    from cli.admin.checks.workspaces import check_events, check_list, check_workspaces, list_workspaces_or_none
    from cli.admin.management.clients import Management

    management = Management(services)
    yield from check_sign_in(services)
    yield from check_hosts(services, resolve, without=without)
    if "LINEAGE_WORKSPACES" in without:
        yield wait_for("LINEAGE_WORKSPACES", "workspaces and events")
    else:
        yield check_list(services)
        workspaces = list_workspaces_or_none(services) or []
        yield from check_workspaces(services, workspaces, resolve)
        yield from check_app(management, deployment, workspaces)
        yield from check_events(services, management, deployment, workspaces)
    if "PURVIEW_ENDPOINT" in without:
        yield wait_for("PURVIEW_ENDPOINT", "catalog")
    else:
        yield from check_catalog(services, management, deployment, resolve)
    if "LINEAGE_STORAGE" in without:
        yield wait_for("LINEAGE_STORAGE", "storage")
    else:
        yield from check_state(services, management, deployment, resolve)


def _print(findings: "Sequence[Finding]") -> None:
    for finding in findings:
        mark, colour = _MARKS[finding.state]
        say(f" {finding.check}: {finding.detail}", mark=click.style(mark, fg=colour))
        if finding.remedy:
            say(f"    → {finding.remedy}")
    problems = sum(finding.state == "problem" for finding in findings)
    say("", f"{problems} {'problem' if problems == 1 else 'problems'} in {len(findings)} checks.")
