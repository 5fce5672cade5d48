"""
What the app reports about its work: requests and seconds for the line of each outcome, and OpenTelemetry data.

Only OpenTelemetry's API is used, which does nothing without an exporter. In Azure the Functions worker sets one up, to
Application Insights, and where it did not, `start_exporting` does; on a laptop `start_console`.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from opentelemetry import metrics, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.redaction import redact_text

logger = logging.getLogger(__name__)

WORKER, APP, CONSOLE, NO_ONE = "worker", "app", "console", "no one"
"""Who exports the telemetry of a process."""

AZURE_ML, CATALOG = "azure_ml", "catalog"
"""The services whose requests are counted."""

_THROTTLED = 429

_meter = metrics.get_meter("aml-purview-lineage")
_tracer = trace.get_tracer("aml-purview-lineage")
_outcomes = _meter.create_counter("lineage.outcomes", "{message}", "Attempts at messages, by how they ended")
_latency = _meter.create_histogram("lineage.event_to_published", "s", "From an event's time to its lineage in Purview")
_coverage = _meter.create_gauge("lineage.coverage", "%", "Share of what Azure ML holds whose lineage is in Purview")
_gaps = _meter.create_gauge("lineage.gaps", "{asset}", "Runs, models and endpoints without lineage")
_poison = _meter.create_gauge("lineage.poison", "{message}", "Messages that the host gave up on and that still wait")
_refusals = _meter.create_counter("lineage.refusals", "{request}", "Requests refused as a whole, by source and status")
_requests = _meter.create_counter("lineage.requests", "{request}", "Requests by service and status")
_throttles = _meter.create_counter("lineage.throttles", "{request}", "Requests answered with 429, by service")


@dataclass
class Attempt:
    """What one attempt at a message took so far."""

    about: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    requests: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By service, the seconds that each request took."""
    throttles: int = 0

    @property
    def facts(self) -> dict[str, object]:
        """What the line of its outcome says: what it is about, seconds in all, requests and seconds by service."""
        facts: dict[str, object] = {**self.about, "seconds": round(time.monotonic() - self.started, 3)}
        for service in (AZURE_ML, CATALOG):
            seconds = self.requests.get(service, [])
            facts[f"{service}_requests"] = len(seconds)
            facts[f"{service}_seconds"] = round(sum(seconds), 3)
        return facts | {"throttles": self.throttles}


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def attempt(name: str, *, traceparent: str = "") -> Iterator[Attempt]:
    """
    Count what happens inside as one attempt, in a span linked to the trace that the message was accepted in.

    The span names the class of an exception and not its words, which may hold what must not leave.
    """
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    accepted = trace.get_current_span(context).get_span_context()
    links = [trace.Link(accepted)] if accepted.is_valid else []
    measured = Attempt()
    token = _attempt.set(measured)
    try:
        with _tracer.start_as_current_span(name, links=links, record_exception=False, set_status_on_exception=False):
            try:
                yield measured
            except BaseException as error:
                trace.get_current_span().set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise
    finally:
        _attempt.reset(token)


def describe_attempt(**about: str) -> None:
    """Say what the attempt under way is about: `event_id`, `workspace_id`, `run_id` …"""
    measured = _attempt.get()
    if measured:
        measured.about.update({name: value for name, value in about.items() if value})


def attempt_facts() -> dict[str, object]:
    """Return the facts of the attempt under way; none outside of one."""
    measured = _attempt.get()
    return measured.facts if measured else {}


def record_request(service: str, status: int, seconds: float) -> None:
    """
    Count a request; `status` is 0 if there was no answer.

    Of the attempt under way it is counted in every thread that runs in a copy of its context.
    """
    measured = _attempt.get()
    if measured:
        measured.requests[service].append(seconds)
        measured.throttles += status == _THROTTLED
    _requests.add(1, {"service": service, "status": status})
    if status == _THROTTLED:
        _throttles.add(1, {"service": service})


def record_outcome(outcome: str, *, reason: str, source: str, seconds_since_event: float | None = None) -> None:
    """Count how an attempt ended; `reason` is one of the few words that dead letters are grouped by, or ""."""
    _outcomes.add(1, {"outcome": outcome, "reason": reason, "source": source})
    trace.get_current_span().set_attributes({"lineage.outcome": outcome, "lineage.reason": reason})
    if seconds_since_event is not None:
        _latency.record(seconds_since_event, {"source": source})


def record_refusal(source: str, status: int) -> None:
    """Count a request of events of which nothing is taken; `status` is that of the answer."""
    _refusals.add(1, {"source": source, "status": status})


def record_coverage(workspace: str, *, percent: float, gaps: int) -> None:
    """Report how much of a workspace (its ARM id) is in the catalog."""
    _coverage.set(percent, {"workspace": workspace})
    _gaps.set(gaps, {"workspace": workspace})


def record_poison(messages: int) -> None:
    """Report how many messages wait on the poison queue after all that could be taken were taken."""
    _poison.set(messages)


@dataclass(frozen=True, slots=True)
class Exporting:
    """Who exports the telemetry of this process; `problem` says why no one does although it is wanted."""

    by: str = NO_ONE
    problem: str = ""


@dataclass
class _State:
    """What this process has done for its telemetry; `exporting` is None before the first function ran."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    exporting: Exporting | None = None


_state = _State()


def start_exporting(*, wanted: bool, console: bool = False) -> Exporting:
    """
    Make sure, once in a process, that its telemetry is exported, and return by whom.

    A worker for Python up to 3.12 that isolates its own packages sets up Azure Monitor before it can import it, warns,
    and goes on without; then we do what it would have done. Never raises: lineage is published without telemetry too.

    Args:
        wanted: whether it is sent to Application Insights.
        console: whether it is printed, if the worker exports nothing.
    """
    with _state.lock:
        if _state.exporting is None:
            _state.exporting = _start_exporting(wanted=wanted, console=console)
        return _state.exporting


def who_exports() -> Exporting:
    """Return who exports the telemetry of this process: no one before `start_exporting` was called."""
    return _state.exporting or Exporting()


def _start_exporting(*, wanted: bool, console: bool) -> Exporting:
    if _has_provider():
        return Exporting(WORKER)
    if console:
        start_console()
        return Exporting(CONSOLE)
    if not wanted:
        return Exporting()
    try:
        _set_up_azure_monitor()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the set-up, the work goes on
        problem = f"telemetry is not exported: {type(error).__name__}: {redact_text(str(error))}"
        logger.warning("telemetry is not exported", extra={"reason": problem})
        return Exporting(NO_ONE, problem)
    logger.info("the worker does not export telemetry, so the app does")
    return Exporting(APP)


def _has_provider() -> bool:
    """Whether a provider of OpenTelemetry's SDK is set; looking does not import the SDK."""
    providers = (metrics.get_meter_provider(), trace.get_tracer_provider())
    return any(type(provider).__module__.startswith("opentelemetry.sdk.") for provider in providers)


def _set_up_azure_monitor() -> None:
    """
    Do what `initialize_azure_monitor` of Azure/azure-functions-python-worker does.

    Connection string, logger and identity (APPLICATIONINSIGHTS_AUTHENTICATION_STRING) are in the environment.
    """
    from azure.monitor.opentelemetry import configure_azure_monitor

    os.environ.setdefault("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "azure_functions")
    configure_azure_monitor()


def start_console() -> None:
    """Print metrics once a minute (OTEL_METRIC_EXPORT_INTERVAL, in ms) and spans as they end, to standard output."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())]))
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(tracer_provider)
