"""What the deployed app reports: one line an outcome that agrees with the logs of the services, metrics, spans."""

import json
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from emulator.azurite import Azurite
from emulator.server import Emulator
from shared.intake.message import MessageBody
from shared.settings import Azurite as AzuriteSetting
from tests.e2e.test_function_app import QUEUE, python
from tests.harness.app import WORKSPACE, run_completed
from tests.harness.function_host import Deployment, settings_for
from tests.harness.storage import empty
from tests.harness.telemetry_sink import TOKEN, open_sink

FIELDS = (
    *("outcome", "reason", "detail", "operation_id", "event_id", "workspace_id", "run_id", "source", "attempt"),
    *("deferrals", "seconds", "azure_ml_requests", "azure_ml_seconds", "catalog_requests", "catalog_seconds"),
    *("throttles", "entities_written", "matches", "match_rules"),
)
"""Of the line of an outcome, as docs/telemetry.md lists them, but for those that only waiting has."""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PUBLISH = """
import json, logging, sys
from pathlib import Path
from emulator.functions_host.host import FunctionsHost
host = FunctionsHost(Path("."))
host.start(http=False, queues=False)
assert host.pump_once("lineage-requests") == 1
host.stop()
log = logging.getLogger("azure.ai.ml")
print("azure.ai.ml", log.handlers, log.propagate, log.level)
print("azure", logging.getLogger("azure").level)
print("exporter", "azure.monitor.opentelemetry" in sys.modules)
"""


EXPORT = """
import logging
from pathlib import Path
from emulator.functions_host.host import FunctionsHost
logging.getLogger().setLevel(logging.INFO)  # as the worker does
host = FunctionsHost(Path("."))
host.start(http=False, queues=False)
{run}
host.stop()
from shared.telemetry import who_exports
print(who_exports().by)
"""
"""Runs one function; what is not exported yet when the process ends is exported then."""
PUBLISH_ONE = 'assert host.pump_once("lineage-requests") == 1'
RECEIVE_ONE = 'assert host.invoke("receive_event", host._runtime.datum({"id": "e1"}, "json")).ok'


@pytest.fixture
def queued(emulator: Emulator, azurite_server: Azurite) -> dict[str, str]:
    """One message, accepted within a trace, on a queue that no host listens to yet; the app settings."""
    emulator.control.use("credit-risk")
    empty(AzuriteSetting(azurite_server.base_port))
    body = MessageBody(run_completed("creditrisk_train"), "op-1", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    with QueueClient.from_connection_string(
        azurite_server.connection_string, QUEUE, message_encode_policy=TextBase64EncodePolicy()
    ) as queue:
        queue.send_message(body.to_json())
    return settings_for(emulator, azurite_server)


def test_console_gets_the_metrics_and_the_span_linked_to_the_acceptance(queued: dict[str, str]) -> None:
    """Under the genuine worker, whose own exporter is off."""
    said = python(PUBLISH, settings={"PATH": "", **queued, "LINEAGE_TELEMETRY": "console"})
    for name in ("lineage.outcomes", "lineage.event_to_published", "lineage.requests"):
        assert f'"name": "{name}"' in said
    assert '"outcome": "published"' in said
    assert '"name": "publish lineage"' in said
    assert f'"trace_id": "0x{TRACE}"' in said


@pytest.mark.parametrize(("isolated", "exporter"), [("", "worker"), ("1", "app")], ids=["the worker", "the app"])
def test_metrics_span_and_fields_arrive_from_the_worker_or_the_app(
    queued: dict[str, str], tmp_path: Path, isolated: str, exporter: str
) -> None:
    """
    Once, with the app's identity, and with every field of the outcome's line.

    With isolated dependencies the worker cannot import the app's exporter when it wants to set it up.
    """
    settings = {"PATH": "", **queued, "PYTHON_ISOLATE_WORKER_DEPENDENCIES": isolated}
    with open_sink(tmp_path, queued["LINEAGE_CA_BUNDLE"]) as sink:
        said = python(EXPORT.format(run=PUBLISH_ONE), settings={**settings, **sink.settings})
    assert said.split()[-1] == exporter
    assert (sink.tokens, sink.refused) == ({f"Bearer {TOKEN}"}, [])
    assert sink.metrics("lineage.outcomes") == [({"outcome": "published", "reason": "", "source": "event_grid"}, 1)]
    assert [attributes for attributes, _ in sink.metrics("lineage.event_to_published")] == [{"source": "event_grid"}]
    assert sum(count for _, count in sink.metrics("lineage.requests")) >= 5
    [span] = sink.spans("publish lineage")
    assert span["properties"]["lineage.outcome"] == "published"
    assert TRACE in span["properties"]["_MS.links"]
    [line] = sink.lines("message published")
    assert set(FIELDS) - set(line) == set()
    assert (line["operation_id"], line["run_id"]) == ("op-1", "creditrisk_train")
    assert line["workspace_id"].casefold() == WORKSPACE.casefold()
    assert float(line["catalog_seconds"]) > 0


def test_receiver_sets_up_telemetry_too(queued: dict[str, str], tmp_path: Path) -> None:
    """On Flex Consumption it has instances of its own, and needs no services for what it does."""
    settings = {"PATH": "", **queued, "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1"}
    with open_sink(tmp_path, queued["LINEAGE_CA_BUNDLE"]) as sink:
        said = python(EXPORT.format(run=RECEIVE_ONE), settings={**settings, **sink.settings})
    assert said.split() == ["app"]


def test_nothing_is_exported_that_is_refused(queued: dict[str, str], tmp_path: Path) -> None:
    """An operator who leaves the worker's logs to the host gets no second copy of them."""
    off = {"PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "false"}
    with open_sink(tmp_path, queued["LINEAGE_CA_BUNDLE"]) as sink:
        said = python(EXPORT.format(run=PUBLISH_ONE), settings={"PATH": "", **queued, **sink.settings, **off})
    assert said.split() == ["no", "one"]
    assert sink.envelopes == []


def test_nothing_is_exported_unasked_and_sdk_loggers_are_tame(queued: dict[str, str]) -> None:
    """azure-ai-ml could configure Azure Monitor with a key of its own, and prints past every logger at import."""
    said = python(PUBLISH, settings={"PATH": "", **queued}).splitlines()
    assert said == ["azure.ai.ml [] True 30", "azure 30", "exporter False"]


def test_line_of_an_outcome_agrees_with_what_the_services_saw(deployment: Deployment) -> None:
    """Throttled requests are in it, too; the trace of the delivery is in the message; nothing of the payload is."""
    deployment.emulator.control.faults({"service": "purview", "path": "", "statuses": [429], "retry_after": 0})
    deployment.emulator.control.clear_requests()
    event = json.loads(run_completed("creditrisk_train", note="payload-of-the-event"))
    answer = deployment.host.session.post(
        deployment.host.webhook,
        json=[event],
        headers={"aeg-event-type": "Notification", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        timeout=60,
    )
    assert answer.status_code == 202
    deployment.wait_until_done()
    [message] = deployment.host.accepted()
    assert TRACE in message["traceparent"]
    [[line]] = deployment.host.outcomes().values()
    seen = deployment.emulator.control.requests()
    assert line["outcome"] == "published"
    assert line["run_id"] == "creditrisk_train"
    assert line["event_id"] == event["id"]
    assert line["azure_ml_requests"] == sum(request.service == "azure_ml" for request in seen)
    assert line["catalog_requests"] == sum(request.service == "purview" for request in seen)
    assert line["throttles"] == 1
    assert 0 < line["seconds"] <= line["seconds_since_received"]
    assert "payload-of-the-event" not in json.dumps(deployment.host.log())
