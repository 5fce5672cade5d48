"""`lineage setup`: prepares the catalog and the events for the app; what you may not do is left to an administrator."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli.options import FUNCTION, AppDeployment, deployment_options
from cli.output import say, say_text
from shared.model import WorkspaceId

if TYPE_CHECKING:
    from cli.admin.goals import Result
    from shared.bootstrap import Services

_COLOURS = {"done": "green", "refused": "red", "failed": "red", "planned": "cyan", "later": "yellow"}
_SETTINGS = ("PURVIEW_ENDPOINT", "PURVIEW_COLLECTION", "LINEAGE_WORKSPACES", "LINEAGE_STORAGE")
"""Settings that the same command needs on another machine, too."""


@click.command(short_help="Prepare the catalog and the events for the app.")
@deployment_options
@click.option("--scan", "lakes", multiple=True, metavar="ARM_ID", help="Register a data lake, and scan it once.")
@click.option("--workspace", "workspaces", multiple=True, metavar="ARM_ID", help="Subscribe to a workspace's events.")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of the steps.")
def setup(
    *, deployment: AppDeployment, lakes: tuple[str, ...], workspaces: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """
    Make the app Data Curator of its collection and install the types; with --scan and --workspace also the rest.

    The hook of `azd up` runs it. Running it again changes nothing. What you may not do is listed as refused, with the
    command for the person who may. The options are read from `azd env get-values`. Exits with 1 unless all went well.

    Example: lineage setup --dry-run
    """
    from cli.session import open_services

    results = []
    for result in _run(open_services(), deployment, lakes, workspaces, dry_run=dry_run):
        results.append(result)
        if not as_json:
            _print(result)
    if as_json:
        say_text(json.dumps([result.to_json() for result in results], indent=2))
    sys.exit(0 if all(result.is_well for result in results) else 1)


def _run(
    services: "Services",
    deployment: AppDeployment,
    lakes: tuple[str, ...],
    workspaces: tuple[str, ...],
    *,
    dry_run: bool,
) -> "Iterator[Result]":
    from cli.admin.goals import SKIPPED, Result, give_role, install_types, scan_lake, subscribe
    from cli.admin.management.clients import Management

    _require(deployment, lakes, workspaces)
    targets = [_parse_workspace(workspace) for workspace in workspaces]
    management = Management(services)
    later = ""
    if deployment.identity_id:
        command = _command("setup", "--identity", deployment.identity_id)
        role = give_role(services, management, deployment.identity_id, command=command).run(dry_run=dry_run)
        yield role
        if role.is_well:
            later = "you may not, so the app does it with its first publication"
    else:
        yield Result("role in the catalog", SKIPPED, "the app's identity is not known: give --identity")
    yield install_types(services, later=later, command=_command("typedefs", "apply")).run(dry_run=dry_run)
    for lake in lakes:
        command = _command("setup", "--purview-account", deployment.purview_account_id, "--scan", lake)
        for goal in scan_lake(services, management, deployment.purview_account_id, lake, command=command):
            yield goal.run(dry_run=dry_run)
    for target in targets:
        command = _command(
            "setup",
            *("--function-app", deployment.function_app_id),
            *("--storage-account", deployment.storage_account_id),
            *("--destination", deployment.destination),
            *("--workspace", target.arm_id),
        )
        for goal in subscribe(services, management, deployment, target, command=command):
            yield goal.run(dry_run=dry_run)


def _require(deployment: AppDeployment, lakes: tuple[str, ...], workspaces: tuple[str, ...]) -> None:
    if lakes and not deployment.purview_account_id:
        raise click.UsageError("--scan needs --purview-account: the identity that scans is that account's.")
    if workspaces and not deployment.storage_account_id:
        raise click.UsageError("--workspace needs --storage-account: undelivered events go there.")
    if workspaces and deployment.destination == FUNCTION and not deployment.function_app_id:
        raise click.UsageError("--workspace needs --function-app, or --destination queue.")


def _parse_workspace(text: str) -> WorkspaceId:
    try:
        return WorkspaceId.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--workspace") from error


def _command(*words: str) -> str:
    """Return a command for the shell of another person, with the settings it needs there."""
    settings = [f"{name}={shlex.quote(os.environ[name])}" for name in _SETTINGS if os.environ.get(name)]
    return " ".join([*settings, "lineage", *(shlex.quote(word) for word in words)])


def _print(result: "Result") -> None:
    state = click.style(f"{result.state:<9}", fg=_COLOURS.get(result.state))
    say(f" {result.goal}: {result.detail}", mark=state)
    if result.command:
        say(f"          A person who may runs: {result.command}")
