"""A secret placed anywhere in a workspace reaches neither catalog, ledger, dead letters nor logs."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.app import App, outcomes


def test_secrets_of_a_workspace_are_nowhere(
    start_app: Callable[[str], App], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """SAS token, account key, connection string, a tag named api_key: in the run, in its events, in a malformed one."""
    caplog.set_level(logging.DEBUG, logger="shared")
    caplog.set_level(logging.INFO)
    app = start_app("secrets")
    events = app.events()
    assert any("SECRET" in event for event in events)
    malformed = '{"id": "x", "data": {"runTags": {"api_key": "SECRET-a"}, "uri": "https://a/b?sv=1&sig=SECRET-b"'
    keyed = json.dumps({"id": "y", "data": {"properties": {"conn": "AccountKey=SECRETc==;x=y", "password": "SECRET"}}})
    assert "dead_lettered" in outcomes(app.replay([*events, malformed, keyed]))
    assert "published" in outcomes(app.replay(events)) or app.services.dead_letters.list_open()

    written = app.emulator.control.state()["purview"]
    assert any(entity["typeName"] == "custom_ml_experiment_step" for entity in written["entities"])
    assert "SECRET" not in json.dumps(written)
    app.services.state.close()
    assert b"SECRET" not in Path(str(app.services.settings.storage)).read_bytes()
    assert "SECRET" not in caplog.text
    output = capfd.readouterr()
    assert "SECRET" not in output.out + output.err


def test_secrets_of_a_workspace_are_not_sent_as_openlineage(start_app: Callable[[str], App], tmp_path: Path) -> None:
    """What OpenLineage events say is what the catalog has."""
    app, sent = start_app("secrets"), tmp_path / "events.jsonl"
    app.services.settings = replace(app.services.settings, openlineage_out=f"file://{sent}")
    app.replay()
    text = sent.read_text(encoding="utf-8")
    assert "azureml_process" in text
    assert "SECRET" not in text


def test_what_is_left_of_a_redacted_uri_still_leads_to_its_data(start_app: Callable[[str], App]) -> None:
    """The token goes, the place stays: lineage must not be lost with the secret."""
    app = start_app("secrets")
    app.replay()
    entities = app.emulator.control.state()["purview"]["entities"]
    paths = [
        entity["attributes"]["qualifiedName"]
        for entity in entities
        if entity["typeName"] in ("azure_blob_path", "azure_datalake_gen2_path")
    ]
    assert paths
    assert all("?" not in path for path in paths)
