"""Which model version answered when: the serving history of an endpoint."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from shared.model import Deployment, Endpoint
from shared.validation import members_of

KEPT = 1_000
"""Periods of an endpoint that are kept; the oldest go first."""


@dataclass(frozen=True, slots=True, order=True)
class Serving:
    """
    A period in which a deployment served one model version with one share of the traffic.

    Attributes:
        since, until: in UTC, to the second; `until` is "" while it lasts. What changed without an event was seen at
            `since`, and may have been so for as long as reconciling did not look.
        models: their names and versions; empty if it is not known.
        traffic: in per cent; "" in batch.
    """

    since: str
    deployment: str
    models: tuple[str, ...]
    traffic: str
    until: str = ""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read it as the ledger keeps it."""
        return cls(**{**members_of(cls, body), "models": tuple(body["models"])})

    def covers(self, at: str) -> bool:
        """
        Whether it is the period of a moment.

        >>> Serving("2026-07-01T00:00:00Z", "blue", ("churn:1",), "100").covers("2026-07-02T00:00:00Z")
        True
        """
        return self.since <= at and (not self.until or at < self.until)


def go_on(before: Iterable[Serving], endpoint: Endpoint, *, at: str) -> tuple[Serving, ...]:
    """
    Return the history with what an endpoint serves now; the same if it is what it served before.

    Args:
        at: when it was read.
    """
    history = sorted(before)
    at = max([at, *(each.since for each in history)])
    now = [_period(deployment) for deployment in endpoint.deployments]
    lasting = {_what(each): each for each in history if not each.until}
    kept = {_what(each) for each in now} & lasting.keys()
    started = [replace(each, since=_since(each, history, at)) for each in now if _what(each) not in kept]
    # Of a list that cannot be read as a whole, what is missing may serve as before.
    missing = {each.deployment for each in history} - {each.deployment for each in now} if endpoint.notes else set()
    ends = {each.deployment: each.since for each in started}
    closed = [
        each
        if each.until or _what(each) in kept or each.deployment in missing
        else replace(each, until=ends.get(each.deployment, at))
        for each in history
    ]
    return tuple(sorted([*closed, *started])[-KEPT:])


def close(history: Iterable[Serving], *, at: str) -> tuple[Serving, ...]:
    """Return the history of an endpoint that is gone."""
    return tuple(each if each.until else replace(each, until=max(at, each.since)) for each in history)


def _period(deployment: Deployment) -> Serving:
    models = tuple(model.id.label for model in deployment.models)
    return Serving(deployment.changed_at, deployment.name, models, deployment.traffic)


def _since(period: Serving, history: Iterable[Serving], at: str) -> str:
    """Say when a period began: when the deployment was changed, if that is after all that is known of it."""
    known = max((each.since for each in history if each.deployment == period.deployment), default="")
    return period.since if known < period.since <= at else at


def _what(period: Serving) -> tuple[str, tuple[str, ...], str]:
    return period.deployment, period.models, period.traffic
