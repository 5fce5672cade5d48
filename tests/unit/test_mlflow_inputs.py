"""Data logged with MLflow: an input where its place is known, once, and otherwise named in the notes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.azure_ml.run.inputs_outputs import Binding, LoggedInputs, read_logged_inputs
from shared.model import Data, DataAsset, Datastore, Location, Port, Unresolved
from shared.places.uris import AssetReference, DatastorePath, Reference, parse_reference, to_location
from tests.unit.examples import LAKE, LAKE_URL, WORKSPACE_ID, at, data_asset

CHURN = data_asset("churn", at("raw/churn/"))
LONG = "azureml://subscriptions/s/resourcegroups/rg/workspaces/other"


class FakePlaces:
    """A workspace with one lake; what is resolved is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def datastores(self) -> Mapping[str, Datastore]:
        return {"lake": LAKE}

    def is_here(self, reference: Reference) -> bool:
        return getattr(reference, "workspace", None) in (None, WORKSPACE_ID)

    def locate(self, uri: str, *, data_type: str = "") -> Location | None:
        match parse_reference(uri):
            case Location(url):
                return Location(url)
            case DatastorePath() as reference:
                return to_location(reference, LAKE, WORKSPACE_ID)
        return None

    def resolve(self, bindings: Sequence[Binding]) -> dict[str, Data]:
        self.asked += [binding.asset_id for binding in bindings]
        return {binding.asset_id: self._resolve(binding.asset_id) for binding in bindings}

    def _resolve(self, text: str) -> Data:
        reference = parse_reference(text)
        if isinstance(reference, AssetReference) and reference.workspace is None:
            return DataAsset(reference.asset, None)
        return self.locate(text) or Unresolved(text)


def logged(source: object, *, name: str = "train", source_type: str = "azureml") -> dict[str, Any]:
    text = source if isinstance(source, str) else json.dumps(source)
    return {"dataset": {"name": name, "digest": "0f1e", "source_type": source_type, "source": text}}


def read(
    *items: dict[str, Any],
    inputs: Sequence[Port] = (),
    places: FakePlaces | None = None,
    known: Sequence[Data] = (),
) -> LoggedInputs:
    mlflow = {"inputs": {"dataset_inputs": list(items)}}
    places = places or FakePlaces()
    return read_logged_inputs(mlflow, inputs, places, places.resolve, known)


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ({"uri": "abfss://fs@contosolake.dfs.core.windows.net/raw/a.csv"}, f"{LAKE_URL}/raw/a.csv"),
        ({"uri": "wasbs://fs@acct.blob.core.windows.net/a.csv"}, "https://acct.blob.core.windows.net/fs/a.csv"),
        ({"uri": "azureml://datastores/lake/paths/raw/a.csv"}, f"{LAKE_URL}/raw/a.csv"),
        ({"url": "https://example.org/a.csv"}, "https://example.org/a.csv"),
        ({"url": "https://me:s3cret@acct.blob.core.windows.net/c/a.csv?sig=s3cret"}, "https://acct.blob.core.windows.net/c/a.csv"),
        ({"path": "abfss://fs@contosolake.dfs.core.windows.net/delta", "delta_table_version": 3}, f"{LAKE_URL}/delta"),
        ("https://example.org/a.csv", "https://example.org/a.csv"),
    ],
)  # fmt: skip
def test_source_that_names_a_place_is_an_input(source: object, url: str) -> None:
    """In each form of source that MLflow has; the field that says so is named, secrets are not."""
    found = read({"dataset": {"name": "x"}}, logged(source))
    (port,) = found.ports
    assert isinstance(port.data, Location)
    assert (port.name, port.data.url) == ("train", url)
    assert port.field == "MLflow inputs.dataset_inputs[1].dataset.source"


@pytest.mark.parametrize(
    ("source", "source_type", "label"),
    [
        ({"uri": "/home/ann/train.csv"}, "local", "train (local: train.csv)"),
        ({"uri": "file:///home/ann/train.csv"}, "local", "train (local: train.csv)"),
        ({"uri": r"C:\Users\ann\train.csv"}, "local", "train (local: train.csv)"),
        ({"uri": "s3://bucket/a.csv"}, "s3", "train (s3: s3://bucket/a.csv)"),
        ({"tags": {"mlflow.source.name": "train.py"}}, "code", "train (code)"),
        ({"path": "squad:1", "split": "train"}, "hugging_face", "train (hugging_face: squad:1)"),
        ({"table_name": "main.credit.loan"}, "spark", "train (spark: main.credit.loan)"),
        ({"sql": "select 1"}, "spark", "train (spark)"),
        ({"uri": "azureml://datastores/absent/paths/a"}, "azureml", "train (azureml: azureml://datastores/absent/paths/a)"),
        ({"uri": f"{LONG}/datastores/lake/paths/a"}, "azureml", f"train (azureml: {LONG}/datastores/lake/paths/a)"),
        ({"uri": "azureml://jobs/r/outputs/o"}, "azureml", "train (azureml: azureml://jobs/r/outputs/o)"),
        ({"uri": "s3://b/a?X-Amz-Signature=1&sig=s3cret"}, "s3", "train (s3: s3://b/a)"),
        ({"uri": ["a", "b"]}, "local", "train (local)"),
        ("not JSON", "", "train (not JSON)"),
        ("null", "", "train"),
        ("", "", "train"),
    ],
)  # fmt: skip
def test_source_that_names_no_place_is_named_in_the_notes(source: object, source_type: str, label: str) -> None:
    """Nothing is made up of it, and no service is asked; of a local path the folders are private."""
    places = FakePlaces()
    found = read(logged(source, source_type=source_type), places=places)
    note = f"Logged with MLflow as inputs, but where they lie cannot be known from here: {label}."
    assert (found, places.asked) == (LoggedInputs((), note), [])


def test_many_without_a_place_are_not_all_named() -> None:
    """Each once, and five of them."""
    items = [logged({"tags": {}}, name=f"d{number % 7}", source_type="code") for number in range(14)]
    assert read(*items).notes.endswith("d0 (code), d1 (code), d2 (code), d3 (code), d4 (code) and 2 more.")


@pytest.mark.parametrize(
    ("data", "uri"),
    [
        (at("raw/churn/"), "abfss://fs@contosolake.dfs.core.windows.net/raw/churn"),
        (at("raw/churn/"), "https://contosolake.blob.core.windows.net/fs/raw/churn/"),
        (at("raw/Churn.CSV"), "azureml://datastores/lake/paths/raw/Churn.csv"),
        (CHURN, "azureml://datastores/lake/paths/raw/churn/"),
        (CHURN, "azureml://data/churn/versions/1"),
        (CHURN, "azureml:churn:1"),
    ],
)
def test_what_is_an_input_already_is_not_one_twice(data: Data, uri: str) -> None:
    """By any name of the place; run history came first."""
    found = read(logged({"uri": uri}), inputs=[Port("data", data)], known=[data])
    assert found == LoggedInputs()


def test_place_that_was_logged_twice_is_one_input() -> None:
    """For training and for validation, say."""
    uri = {"uri": "azureml://datastores/lake/paths/a.csv"}
    assert len(read(logged(uri), logged(uri, name="validation")).ports) == 1


def test_name_that_an_input_has_already_stays_with_that_input() -> None:
    """Column mappings go by it."""
    uri = {"uri": "azureml://datastores/lake/paths/a.csv"}
    (port,) = read(logged(uri), inputs=[Port("train", at("raw/"))]).ports
    assert port.name == "train (MLflow inputs.dataset_inputs[0].dataset.source)"


def test_data_asset_that_the_tree_read_is_not_asked_for_again() -> None:
    """Only one that nothing else names is."""
    places = FakePlaces()
    found = read(logged({"uri": "azureml://data/churn/versions/1"}), places=places, known=[CHURN])
    assert ([port.data for port in found.ports], places.asked) == ([CHURN], [])
    found = read(logged({"uri": "azureml://data/other/versions/1"}), places=places, known=[CHURN])
    assert places.asked == ["azureml://data/other/versions/1"]


@pytest.mark.parametrize("mlflow", [None, {}, {"inputs": None}, {"inputs": {}}, {"inputs": {"dataset_inputs": None}}])
def test_run_that_logged_nothing_has_no_such_inputs(mlflow: dict[str, Any] | None) -> None:
    """Older workspaces have no such member."""
    assert read_logged_inputs(mlflow, (), FakePlaces(), FakePlaces().resolve) == LoggedInputs()


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        {"dataset_inputs": {}},
        {"dataset_inputs": "all"},
    ],
)
def test_inputs_of_another_shape_cost_nothing_else(inputs: object) -> None:
    """What code logged decorates the lineage; it is no reason not to have any."""
    assert read_logged_inputs({"inputs": inputs}, (), FakePlaces(), FakePlaces().resolve) == LoggedInputs()


@pytest.mark.parametrize(
    "item", [None, {}, {"dataset": []}, {"dataset": {"source": {"uri": "x"}}}, {"dataset": {"name": 1}}]
)
def test_one_that_is_odd_is_named_by_its_place_and_the_others_are_read(item: object) -> None:
    """A person can look there."""
    found = read_logged_inputs(
        {"inputs": {"dataset_inputs": [item, logged({"url": "https://example.org/a.csv"})]}},
        (),
        FakePlaces(),
        FakePlaces().resolve,
    )
    assert [port.name for port in found.ports] == ["train"]
    assert found.notes.endswith("cannot be known from here: dataset0.")
