"""Options that several verbs have: a time, and the deployment as azd knows it (the outputs of infra/main.bicep)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

FUNCTION, BY_QUEUE = "function", "queue"
"""The two ways of events into the app."""
_LONGEST = 36_500
"""Days that a person can mean."""


@dataclass(frozen=True, slots=True)
class AppDeployment:
    """
    Each is "" if it is not given.

    Attributes:
        identity_id: object id of the app's identity.
        function_app_id, storage_account_id, purview_account_id: ARM ids.
        destination: how events reach the app, `function` or `queue`.
    """

    identity_id: str = ""
    function_app_id: str = ""
    storage_account_id: str = ""
    purview_account_id: str = ""
    destination: str = FUNCTION


_OPTIONS = (
    click.option("--identity", "identity_id", envvar="LINEAGE_IDENTITY_ID", default="", help="Object id of the app."),
    click.option(
        "--function-app",
        "function_app_id",
        envvar="LINEAGE_FUNCTION_APP_ID",
        default="",
        help="ARM id of the function app.",
    ),
    click.option(
        "--storage-account",
        "storage_account_id",
        envvar="LINEAGE_STORAGE_ACCOUNT_ID",
        default="",
        help="ARM id of the storage account with the queue.",
    ),
    click.option(
        "--purview-account",
        "purview_account_id",
        envvar="LINEAGE_PURVIEW_ACCOUNT_ID",
        default="",
        help="ARM id of the Purview account.",
    ),
    click.option(
        "--destination",
        envvar="LINEAGE_EVENT_DESTINATION",
        type=click.Choice([FUNCTION, BY_QUEUE]),
        default=FUNCTION,
        help="How events reach the app.",
    ),
)


def deployment_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a deployment; the command gets an `AppDeployment` as `deployment`."""

    @functools.wraps(command)
    def wrapped(
        identity_id: str,
        function_app_id: str,
        storage_account_id: str,
        purview_account_id: str,
        destination: str,
        **others: Any,
    ) -> None:
        deployment = AppDeployment(identity_id, function_app_id, storage_account_id, purview_account_id, destination)
        command(deployment=deployment, **others)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def days(text: str) -> timedelta:
    """
    Read a number of days, as 90 or 90d.

    Raises:
        click.BadParameter

    >>> days("90d"), days("0").days
    (datetime.timedelta(days=90), 0)
    """
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdecimal()) or int(number) > _LONGEST:
        raise click.BadParameter(f"{text!r} is no number of days; give 90d")
    return timedelta(days=int(number))


def moment(text: str) -> datetime:
    """
    Read a date or a time in ISO 8601, which is UTC if it does not say otherwise.

    Raises:
        click.BadParameter

    >>> moment("2026-07-01").isoformat(), moment("2026-07-01T02:00:00+02:00").isoformat()
    ('2026-07-01T00:00:00+00:00', '2026-07-01T00:00:00+00:00')
    """
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{text!r} is not a time; give 2026-07-01 or 2026-07-01T12:00:00+02:00") from error
