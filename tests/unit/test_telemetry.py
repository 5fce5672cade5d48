"""What the app reports about its work: the facts of an attempt, its span, and OpenTelemetry's metrics."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared import telemetry
from shared.intake.receive import RefusedBodyError, recorded_refusal

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    """Metrics collected in memory; a process has one provider, and our instruments find it when it comes."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Spans collected in memory."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    """No span of an earlier test."""
    exporter.clear()
    yield exporter
    exporter.clear()


def points(reader: InMemoryMetricReader, name: str) -> list[tuple[dict[str, Any], Any]]:
    """Return attributes and value (of a histogram: its sum) of each point of an instrument."""
    data = reader.get_metrics_data()
    found = []
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == name:
                    for point in metric.data.data_points:
                        value = point.value if hasattr(point, "value") else getattr(point, "sum", None)
                        found.append((dict(point.attributes or {}), value))
    return found


def test_attempt_counts_its_requests_by_service() -> None:
    """Retries and throttles too; what comes after it is not its own."""
    with telemetry.attempt("a"):
        telemetry.record_request(telemetry.CATALOG, 429, 0.25)
        telemetry.record_request(telemetry.CATALOG, 200, 0.5)
        telemetry.record_request(telemetry.AZURE_ML, 0, 5.0)
        facts = telemetry.attempt_facts()
    telemetry.record_request(telemetry.CATALOG, 200, 1.0)
    counted = {name: value for name, value in facts.items() if name != "seconds"}
    assert counted == {
        "catalog_requests": 2,
        "catalog_seconds": 0.75,
        "azure_ml_requests": 1,
        "azure_ml_seconds": 5.0,
        "throttles": 1,
    }
    assert telemetry.attempt_facts() == {}


def test_attempts_side_by_side_count_each_for_itself() -> None:
    """The worker has a thread for each message; a thread that one of them starts counts for that one."""

    def work(requests: int) -> object:
        with telemetry.attempt("a"), ThreadPoolExecutor(1) as beside:
            for _ in range(requests):
                beside.submit(copy_context().run, telemetry.record_request, telemetry.CATALOG, 200, 0.1).result()
            return telemetry.attempt_facts()["catalog_requests"]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))


def test_attempt_says_what_it_is_about() -> None:
    """As far as that is known."""
    telemetry.describe_attempt(event_id="none")  # outside of any
    with telemetry.attempt("a"):
        telemetry.describe_attempt(event_id="e1", run_id="")
        assert telemetry.attempt_facts()["event_id"] == "e1"
        assert "run_id" not in telemetry.attempt_facts()


def test_span_is_linked_to_the_trace_of_the_acceptance(spans: InMemorySpanExporter) -> None:
    """Hours may lie between them, so it is no child."""
    with telemetry.attempt("publish lineage", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"):
        telemetry.record_outcome("published", reason="", source="event_grid")
    [span] = spans.get_finished_spans()
    assert (span.name, span.attributes) == (
        "publish lineage",
        {"lineage.outcome": "published", "lineage.reason": ""},
    )
    assert [format(link.context.trace_id, "032x") for link in span.links] == [TRACE]
    assert span.parent is None


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-0-0-0"])
def test_message_without_a_trace_has_a_span_without_a_link(spans: InMemorySpanExporter, traceparent: str) -> None:
    """A synthetic event, or what another sender put on the queue."""
    with telemetry.attempt("a", traceparent=traceparent):
        pass
    assert [list(span.links) for span in spans.get_finished_spans()] == [[]]


def test_span_of_a_failure_holds_the_class_of_the_exception_and_not_its_words(spans: InMemorySpanExporter) -> None:
    """Whatever a defect puts in its message does not leave."""
    with pytest.raises(ValueError, match="hunter2"), telemetry.attempt("a"):
        raise ValueError("password=hunter2")
    [span] = spans.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, "ValueError")
    assert "hunter2" not in span.to_json()


def test_metrics_count_outcomes_requests_throttles_and_show_coverage(reader: InMemoryMetricReader) -> None:
    """With few attributes: no run and no event is one."""
    reader.get_metrics_data()
    telemetry.record_outcome("published", reason="", source="test", seconds_since_event=2.5)
    telemetry.record_outcome("dead_lettered", reason="AccessDenied", source="test")
    telemetry.record_request("test", 429, 0.1)
    telemetry.record_coverage("/subscriptions/0", percent=97.5, gaps=3)
    outcomes = points(reader, "lineage.outcomes")
    assert ({"outcome": "published", "reason": "", "source": "test"}, 1) in outcomes
    assert ({"outcome": "dead_lettered", "reason": "AccessDenied", "source": "test"}, 1) in outcomes
    assert points(reader, "lineage.event_to_published") == [({"source": "test"}, 2.5)]
    assert ({"service": "test", "status": 429}, 1) in points(reader, "lineage.requests")
    assert ({"service": "test"}, 1) in points(reader, "lineage.throttles")
    assert points(reader, "lineage.coverage") == [({"workspace": "/subscriptions/0"}, 97.5)]
    assert points(reader, "lineage.gaps") == [({"workspace": "/subscriptions/0"}, 3)]


def test_refused_requests_are_counted_by_source_and_status(reader: InMemoryMetricReader) -> None:
    """A sender whose events never arrive shows there, and nowhere else."""
    for _ in range(2):
        with pytest.raises(RefusedBodyError), recorded_refusal("test"):
            raise RefusedBodyError(411, "body: came without Content-Length")
    assert points(reader, "lineage.refusals") == [({"source": "test", "status": 411}, 2)]


def test_console_gets_spans_and_metrics_when_the_process_ends() -> None:
    """Without it nothing is exported at all."""
    program = """
from shared import telemetry
if {console}:
    telemetry.start_console()
with telemetry.attempt("publish lineage"):
    telemetry.record_outcome("published", reason="", source="event_grid")
"""
    said = [
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", program.format(console=console)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for console in (True, False)
    ]
    assert '"name": "publish lineage"' in said[0]
    assert '"name": "lineage.outcomes"' in said[0]
    assert said[1] == ""


def run(program: str, **environ: str) -> list[str]:
    """Run a program in a process of its own, since a process has one exporter, and return what it prints."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_telemetry_is_set_up_once_by_the_first_thread() -> None:
    """The first dozen messages come at once; the others wait until it is set up."""
    program = """
import sys, time, types
from concurrent.futures import ThreadPoolExecutor
calls = []
exporter = types.ModuleType("azure.monitor.opentelemetry")
exporter.configure_azure_monitor = lambda: (time.sleep(0.2), calls.append("set up"))
sys.modules["azure.monitor.opentelemetry"] = exporter
from shared.telemetry import start_exporting, who_exports
print(who_exports().by)
with ThreadPoolExecutor(12) as pool:
    found = {done.result() for done in [pool.submit(start_exporting, wanted=True) for _ in range(12)]}
print(calls, {each.by for each in found}, who_exports().by)
"""
    assert run(program) == ["no one", "['set up'] {'app'} app"]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("junk", "telemetry is not exported: ValueError: Invalid connection string"),
        ("IngestionEndpoint=https://127.0.0.1:1/", "telemetry is not exported: ValueError: Instrumentation key cannot"),
    ],
)
def test_telemetry_that_cannot_be_set_up_is_a_problem_and_no_error(address: str, problem: str) -> None:
    """The work goes on; readiness says what is wrong."""
    program = "from shared.telemetry import start_exporting as s; print(s(wanted=True).by, s(wanted=True).problem)"
    [said] = run(program, APPLICATIONINSIGHTS_CONNECTION_STRING=address)
    assert said.startswith(f"no one {problem}")


def test_provider_that_is_there_is_left_alone() -> None:
    """Everything would be sent twice."""
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
from shared.telemetry import start_exporting
print(start_exporting(wanted=True, console=True).by)
"""
    assert run(program, APPLICATIONINSIGHTS_CONNECTION_STRING="junk") == ["worker"]


def test_telemetry_that_no_one_wants_costs_no_import() -> None:
    """OpenTelemetry's SDK and the exporter take half a second."""
    program = """
import sys
from shared.telemetry import start_exporting
print(start_exporting(wanted=False), [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "azure"))])
"""
    assert run(program) == ["Exporting(by='no one', problem='') []"]
