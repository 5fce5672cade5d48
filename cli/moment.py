"""A time as people give it to an option."""

from datetime import UTC, datetime

import click


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
        raise click.BadParameter(f"{text!r} is no time; give 2026-07-01 or 2026-07-01T12:00:00+02:00") from error
