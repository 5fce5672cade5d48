"""The metrics of a system topic: numbers that a test has put there, as Azure Monitor gives them out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from emulator.azure_ml.errors import AzureMLError, arm_error

NAMESPACE = "Microsoft.EventGrid/systemTopics"
DIMENSION = "EventSubscriptionName"
INTERVALS = {
    "PT1M": timedelta(minutes=1),
    "PT5M": timedelta(minutes=5),
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
    "PT6H": timedelta(hours=6),
    "PT12H": timedelta(hours=12),
    "P1D": timedelta(days=1),
}
# By the name in the REST API: what people see, and whether it is counted for each event subscription.
NAMES: Mapping[str, tuple[str, bool]] = {
    "AdvancedFilterEvaluationCount": ("Advanced Filter Evaluations", True),
    "DeadLetteredCount": ("Dead Lettered Events", True),
    "DeliveryAttemptFailCount": ("Delivery Failed Events", True),
    "DeliverySuccessCount": ("Delivered Events", True),
    "DroppedEventCount": ("Dropped Events", True),
    "MatchedEventCount": ("Matched Events", True),
    "PublishFailCount": ("Publish Failed Events", False),
    "PublishSuccessCount": ("Published Events", False),
    "UnmatchedEventCount": ("Unmatched Events", False),
}
_MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class _Count:
    metric: str
    subscription: str | None
    minutes_ago: float
    value: float


@dataclass(slots=True)
class Metrics:
    """Counts, each so many minutes before the request."""

    _counts: list[_Count] = field(default_factory=list)

    def set(self, values: Mapping[str, object], subscription: str | None, minutes_ago: float) -> None:
        """Put counts at a moment, in place of those that are there."""
        for name, value in values.items():
            if name not in NAMES:
                raise ValueError(f"no metric {name!r}; there are {', '.join(NAMES)}")
            if subscription is not None and not NAMES[name][1]:
                raise ValueError(f"{name} is not counted for each event subscription")
            key = (name, subscription, minutes_ago)
            self._counts = [
                count for count in self._counts if (count.metric, count.subscription, count.minutes_ago) != key
            ]
            self._counts.append(_Count(*key, float(str(value))))

    def query(self, query: "MetricsQuery", resource_id: str, location: str, now: datetime) -> dict[str, Any]:
        """Answer a query of Azure Monitor."""
        start, end = query.span or (now - timedelta(hours=1), now)
        return {
            "cost": 0,
            "timespan": f"{_text(start)}/{_text(end)}",
            "interval": query.interval,
            "value": [self._metric(name, query, resource_id, (start, end), now) for name in query.names],
            "namespace": NAMESPACE,
            "resourceregion": location,
        }

    def _metric(
        self, name: str, query: "MetricsQuery", resource_id: str, span: tuple[datetime, datetime], now: datetime
    ) -> dict[str, Any]:
        counts = [count for count in self._counts if count.metric == name]
        if query.subscription is None:
            series = [_series(counts, None, query.interval, span, now)] if counts else []
        else:
            present = dict.fromkeys(count.subscription for count in counts if count.subscription)
            wanted = [each for each in present if query.subscription.lower() in ("*", each.lower())]
            series = [
                _series((c for c in counts if c.subscription == each), each, query.interval, span, now)
                for each in wanted
            ]
        return {
            "id": f"{resource_id}/providers/Microsoft.Insights/metrics/{name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": name, "localizedValue": NAMES[name][0]},
            "unit": "Count",
            "timeseries": series,
            "errorCode": "Success",
        }


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """What a client asks Azure Monitor for."""

    names: tuple[str, ...]
    span: tuple[datetime, datetime] | None
    interval: str
    subscription: str | None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "MetricsQuery":
        """Read the parameters, or refuse them."""
        known = {name.lower(): name for name in NAMES}
        given = [name.strip() for name in query.get("metricnames", "").split(",") if name.strip()]
        for name in given:
            if name.lower() not in known:
                raise _bad(
                    "Failed to find metric configuration for provider: Microsoft.EventGrid, resource Type: "
                    f"systemTopics, metric: {name}, Valid metrics: {','.join(NAMES)}"
                )
        if not given:
            raise _bad("The emulator's Azure Monitor needs metricnames.")
        aggregation = query.get("aggregation", "Total")
        if aggregation.lower() != "total":
            raise _bad(f"The emulator's Azure Monitor has aggregation Total only, not {aggregation}.")
        interval = query.get("interval", "PT1M")
        if interval not in INTERVALS:
            raise _bad(f"Invalid time grain duration: {interval}, supported ones are: {','.join(INTERVALS)}")
        span = _span(query["timespan"]) if "timespan" in query else None
        if span and (span[1] - span[0]) / INTERVALS[interval] > _MOST_POINTS:
            raise _bad("The timespan has too many intervals.")
        names, subscription = tuple(known[name.lower()] for name in given), _filter(query.get("$filter"))
        for name in names:
            if subscription is not None and not NAMES[name][1]:
                raise _bad(f"Metric: {name} does not support requested dimension combination: {DIMENSION.lower()}")
        return cls(names, span, interval, subscription)


def _series(
    counts: Iterable[_Count], subscription: str | None, interval: str, span: tuple[datetime, datetime], now: datetime
) -> dict[str, Any]:
    (start, end), width = span, INTERVALS[interval]
    totals = [0.0] * max(1, -(-(end - start) // width))
    for count in counts:
        moment = now - timedelta(minutes=count.minutes_ago)
        # Now itself belongs to the last interval: clients put the end of the timespan a moment before.
        place = min((moment - start) // width, len(totals) - 1) if moment - end < timedelta(minutes=1) else -1
        if place >= 0:
            totals[place] += count.value
    name = {"value": DIMENSION.lower(), "localizedValue": DIMENSION.lower()}
    return {
        "metadatavalues": [{"name": name, "value": subscription}] if subscription else [],
        "data": [{"timeStamp": _text(start + place * width), "total": total} for place, total in enumerate(totals)],
    }


def _span(text: str) -> tuple[datetime, datetime]:
    try:
        start, end = (datetime.fromisoformat(part) for part in text.split("/"))
    except ValueError as problem:
        raise _bad(f"Invalid timespan: {text}. Expected startDateTime_ISO/endDateTime_ISO.") from problem
    start, end = (part if part.tzinfo else part.replace(tzinfo=UTC) for part in (start, end))
    if start >= end:
        raise _bad(f"Invalid timespan: {text}. The start must be before the end.")
    return start, end


def _filter(text: str | None) -> str | None:
    """Read ``EventSubscriptionName eq 'name'``; nothing else is understood."""
    if not text:
        return None
    name, _, value = text.partition(" eq ")
    value = value.strip()
    if name.strip().lower() != DIMENSION.lower() or len(value) < 2 or value[0] != "'" or value[-1] != "'":
        raise _bad(f"The emulator's Azure Monitor does not understand the filter {text!r}.")
    return value[1:-1]


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _bad(message: str) -> AzureMLError:
    return arm_error(400, "BadRequest", message)
