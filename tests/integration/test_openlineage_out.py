"""OpenLineage out of the whole product: as it happens, and by command, on the reference graphs."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from emulator.server import Emulator
from shared.catalog.qualified_names import QualifiedName
from shared.http.rest import EmulatorCredential, build_session
from shared.openlineage.outgoing import ATTEMPTS, open_outlet
from shared.places.datasets import DatasetName
from shared.places.platforms import to_openlineage
from tests.harness.app import WS, App, outcomes, run_completed
from tests.harness.openlineage_receiver import open_receiver
from tests.references.openlineage_standard import check_event

IN_A_FACET_OF_THE_RUN = re.compile(r"/runs/[^/]+/(config|metrics)$|/environments/")
Event = dict[str, Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Both reference graphs, published while events went to a file."""
    folder = tmp_path_factory.mktemp("state")
    with Emulator(scenario="credit-risk") as emulator:
        app = App.on(emulator, folder / "lineage.sqlite")
        app.services.settings = replace(app.services.settings, openlineage_out=f"file://{folder}/events.jsonl")
        app.replay()
        list(app.services.catalog.search("x"))  # the index catches up
        yield app


def sent(app: App) -> list[Event]:
    path = Path(app.services.settings.openlineage_out.removeprefix("file://"))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ask(app: App, *words: str) -> Result:
    """Run `lineage` with the settings of the app."""
    storage = f"sqlite:///{app.services.settings.storage}"
    return CliRunner().invoke(cli, words, env={**os.environ, **app.emulator.environment(storage)})


def edges_of(events: list[Event]) -> set[tuple[DatasetName, DatasetName]]:
    """Return the edges between data and processes."""
    edges = set()
    for event in events:
        process = to_openlineage(
            QualifiedName(event["run"]["facets"].get("azureml_process", {}).get("qualifiedName", ""))
        )
        edges |= {(_name(each), process) for each in event.get("inputs", ())}
        edges |= {(process, _name(each)) for each in event.get("outputs", ())}
    return edges


def _name(dataset: Event) -> DatasetName:
    return DatasetName(dataset["namespace"], dataset["name"])


def edges_in_catalog(app: App) -> set[tuple[DatasetName, DatasetName]]:
    """Return those of the catalog, without settings, metrics and packages, which are in a facet of the run."""
    graph = app.graph(f"{WS}/models/creditrisk_model/versions/2")
    return {
        (to_openlineage(QualifiedName(edge["from"])), to_openlineage(QualifiedName(edge["to"])))
        for edge in graph["edges"]
        if not any(IN_A_FACET_OF_THE_RUN.search(end) for end in edge.values())
    }


def test_events_sent_as_it_happened_have_every_edge_of_the_catalog(app: App) -> None:
    """By the names of OpenLineage; and each follows the standard."""
    events = sent(app)
    for event in events:
        check_event(event)
    assert edges_of(events) == edges_in_catalog(app)


def test_command_tells_every_edge_of_the_catalog(app: App) -> None:
    """From whichever asset one starts: the graphs are connected."""
    for asset in ("creditrisk_model:1", f"{WS}/data/LoanData/versions/1"):
        result = ask(app, "openlineage", asset)
        assert result.exit_code == 0, result.output
        events = [json.loads(line) for line in result.stdout.splitlines()]
        for event in events:
            check_event(event)
        assert edges_of(events) == edges_in_catalog(app)


def test_command_sends_of_a_run_what_was_sent_as_it_happened(app: App) -> None:
    """The same run and job, and the same settings, metrics and packages."""

    def run(events: list[Event]) -> Event:
        of_run = (each for each in events if each["job"]["name"].endswith("/creditrisk_train"))
        return next(each for each in of_run if each["eventType"] == "COMPLETE")

    by_command = run([json.loads(line) for line in ask(app, "openlineage", "creditrisk_model").stdout.splitlines()])
    as_it_happened = run(sent(app))
    for event in (by_command, as_it_happened):
        del event["run"]["facets"]["azureml_process"]["attributes"]
        event["inputs"] = [each["name"] for each in event["inputs"]]
        event["outputs"] = sorted(each["name"] for each in event["outputs"])
    as_it_happened["outputs"] = sorted({*as_it_happened["outputs"], *by_command["outputs"]})
    assert by_command == as_it_happened
    assert by_command["run"]["facets"]["azureml_process"]["packages"]


def test_one_process_is_sent_once_by_command(app: App) -> None:
    """With a start if the catalog knows when."""
    events = [json.loads(line) for line in ask(app, "openlineage", "creditrisk_model").stdout.splitlines()]
    ends = [event["run"]["runId"] for event in events if event["eventType"] != "START"]
    assert len(ends) == len(set(ends))
    assert {event["run"]["runId"] for event in events if event["eventType"] == "START"} < set(ends)


def test_what_tells_no_time_has_that_of_the_catalogs_last_write(app: App) -> None:
    """By command there is no event of Azure ML to take one from."""
    name = f"{WS}/data/LoanData/versions/1/registration"
    events = map(json.loads, ask(app, "openlineage", "creditrisk_model").stdout.splitlines())
    (event,) = (
        each for each in events if each["run"]["facets"].get("azureml_process", {}).get("qualifiedName") == name
    )
    written = datetime.fromtimestamp(app.entity(name)["updateTime"] / 1_000, UTC)
    assert datetime.fromisoformat(event["eventTime"]) == written


def test_command_reads_many_entities_to_a_request(app: App) -> None:
    """Lineage as deep as one request goes, and whole entities by fifty."""
    app.emulator.control.clear_requests()
    result = ask(app, "openlineage", "creditrisk_model")
    edges = edges_of([json.loads(line) for line in result.stdout.splitlines()])
    nodes = {end for edge in edges for end in edge}
    assert len(nodes) > 30
    assert len(app.emulator.control.requests("purview")) <= 20


def test_command_sends_to_a_file_and_to_a_receiver(app: App, tmp_path: Path) -> None:
    """The same events as to stdout."""
    lines = ask(app, "openlineage", "creditrisk_model").stdout.splitlines()
    assert ask(app, "openlineage", "creditrisk_model", "--to", str(tmp_path / "out.jsonl")).stdout == ""
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines() == lines
    with open_receiver() as receiver:
        result = ask(app, "openlineage", "creditrisk_model", "--to", receiver.url)
        assert result.exit_code == 0, result.output
    assert receiver.events == list(map(json.loads, lines))


@pytest.mark.parametrize("target", ["http://example.com", "ftp://x/y", "/nowhere/to/be/found/x.jsonl", "https://u:p@x"])
def test_command_refuses_a_target_that_is_none(app: App, target: str) -> None:
    """Before anything is read."""
    result = ask(app, "openlineage", "creditrisk_model", "--to", target)
    assert (result.exit_code, result.stdout) == (2, "")


def test_command_says_that_a_receiver_refused(app: App) -> None:
    """And ends with 1."""
    with open_receiver() as receiver:
        receiver.answers(422)
        result = ask(app, "openlineage", "creditrisk_model", "--to", receiver.url)
    assert result.exit_code == 1
    assert "RequestRefused: OpenLineage to" in result.output


def test_receiver_that_is_down_brings_the_message_back_and_costs_no_second_write(tmp_path: Path) -> None:
    """What was written stays written, and what was sent is not sent again."""
    with Emulator(scenario="credit-risk") as emulator, open_receiver() as receiver:
        app = App.on(emulator, tmp_path / "lineage.sqlite")
        app.services.settings = replace(app.services.settings, openlineage_out=receiver.url)
        session = build_session()
        app.services.outlet = open_outlet(
            receiver.url, session=lambda: session, credential=EmulatorCredential, sleep=lambda seconds: None
        )
        receiver.answers(*[500] * 2 * ATTEMPTS)
        reports = app.replay([run_completed("creditrisk_train")])
        assert outcomes(reports) == ["came_back", "came_back", "skipped"]
        assert "OpenLineage to" in reports[0].outcome.reason
        writes = app.writes()
        assert {event["eventType"] for event in receiver.events} == {"START", "COMPLETE"}
        accepted = len(receiver.events)
        assert outcomes(app.replay([run_completed("creditrisk_train")])) == ["skipped"]
        assert (app.writes(), len(receiver.events)) == (writes, accepted)
        session.close()


def test_receiver_that_refuses_leaves_a_dead_letter_that_a_replay_closes(tmp_path: Path) -> None:
    """The catalog has the lineage all the while."""
    with Emulator(scenario="credit-risk") as emulator, open_receiver() as receiver:
        app = App.on(emulator, tmp_path / "lineage.sqlite")
        app.services.settings = replace(app.services.settings, openlineage_out=receiver.url)
        receiver.answers(*[422] * 20)
        assert outcomes(app.replay([run_completed("creditrisk_train")])) == ["dead_lettered"]
        (letter,) = app.services.dead_letters.list_open()
        assert letter.reason == "AnnouncementRefused"
        assert receiver.url in letter.detail
        assert app.entity(f"{WS}/runs/creditrisk_train")["status"] == "ACTIVE"
        name = QualifiedName(f"{WS}/runs/creditrisk_train")
        assert app.services.ledger.get_rows([name])[name].outcome == "published", "no gap in the coverage"
        receiver.answers()
        assert outcomes(app.replay([letter.body])) == ["skipped"]
        assert receiver.events
