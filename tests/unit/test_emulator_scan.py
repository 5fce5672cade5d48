"""The emulated scanner: what it writes, and what it leaves alone."""

from typing import Any

import pytest

from emulator.purview import Purview
from emulator.purview.catalog.labels import replace_labels
from emulator.purview.catalog.upsert import upsert
from emulator.purview.scanning.scanned_assets import SCANNER
from emulator.server import Emulator

FOLDER = "https://lake.dfs.core.windows.net/raw/churn"
SET = {
    "typeName": "azure_datalake_gen2_resource_set",
    "qualifiedName": f"{FOLDER}/{{SparkPartitions}}",
    "name": "churn",
}
PATH = {"typeName": "azure_datalake_gen2_path", "qualifiedName": FOLDER, "isFile": False}


def entities(purview: Purview) -> list[dict[str, Any]]:
    """List the entities as the API shows them."""
    dump: Any = purview.dump()["entities"]
    return list(dump)


def placeholder(purview: Purview) -> str:
    """Write the folder as a client would, with a label and as the input of a process."""
    folder = {
        "typeName": "azure_datalake_gen2_path",
        "guid": "-1",
        "attributes": {"qualifiedName": FOLDER, "name": "x"},
    }
    process = {
        "typeName": "Process",
        "guid": "-2",
        "attributes": {"qualifiedName": "p", "name": "p", "inputs": [{"guid": "-1"}]},
    }
    assignments = upsert(purview.catalog, [folder, process], {})().assignments or {}
    replace_labels(purview.catalog, purview.catalog.by_guid(assignments["-1"]), ["placeholder"])
    return assignments["-1"]


def test_scan_of_unknown_paths_creates_the_scanners_entities() -> None:
    """Typed as native assets, named after the last segment unless a name is given, and not created by the API."""
    purview = Purview({})
    found = purview.scan([SET, PATH])
    assert [item["outcome"] for item in found] == ["created", "created"]
    assert [(item["typeName"], item["attributes"]["name"], item["createdBy"]) for item in entities(purview)] == [
        ("azure_datalake_gen2_resource_set", "churn", SCANNER),
        ("azure_datalake_gen2_path", "churn", SCANNER),
    ]


def test_scan_of_a_known_path_updates_it_and_keeps_guid_labels_and_links() -> None:
    """The entity stays the client's, only its attributes are the scan's."""
    purview = Purview({})
    guid = placeholder(purview)
    found = purview.scan([{**PATH, "size": 7}])
    assert found == [{"typeName": PATH["typeName"], "qualifiedName": FOLDER, "guid": guid, "outcome": "updated"}]
    (folder,) = [item for item in entities(purview) if item["guid"] == guid]
    assert (folder["attributes"]["name"], folder["attributes"]["size"], folder["labels"]) == (
        "churn",
        7,
        ["placeholder"],
    )
    assert (folder["createdBy"], folder["updatedBy"]) == ("emulator", SCANNER)
    assert [link["relationshipStatus"] for link in folder["relationshipAttributes"]["inputToProcesses"]] == ["ACTIVE"]


def test_second_scan_of_the_same_paths_changes_nothing() -> None:
    """The same guids come back."""
    purview = Purview({})
    first = purview.scan([SET, PATH])
    second = purview.scan([SET, PATH])
    assert [item["outcome"] for item in second] == ["unchanged", "unchanged"]
    assert [item["guid"] for item in second] == [item["guid"] for item in first]


def test_write_through_the_api_after_a_scan_keeps_who_created_it() -> None:
    """Only ``updatedBy`` is the client's then."""
    purview = Purview({})
    purview.scan([PATH])
    upsert(
        purview.catalog, [{"typeName": PATH["typeName"], "attributes": {"qualifiedName": FOLDER, "name": "n"}}], {}
    )()
    (folder,) = entities(purview)
    assert (folder["createdBy"], folder["updatedBy"]) == (SCANNER, "emulator")


def test_scan_of_another_type_with_the_same_name_creates_a_second_entity() -> None:
    """A folder and a resource set are two assets, also under one name."""
    purview = Purview({})
    placeholder(purview)
    (found,) = purview.scan([{**SET, "qualifiedName": FOLDER}])
    assert found["outcome"] == "created"


@pytest.mark.parametrize(
    "path",
    [
        {"qualifiedName": FOLDER},
        {"typeName": "aml_run", "qualifiedName": FOLDER},
        {"typeName": "Process", "qualifiedName": FOLDER},
        {"typeName": "azure_datalake_gen2_path"},
        {**PATH, "colour": "red"},
        {**PATH, "inputToProcesses": []},
        {**PATH, "size": "much"},
    ],
)
def test_scan_that_makes_no_sense_is_refused_as_a_whole(emulator: Emulator, path: dict[str, object]) -> None:
    """A mistyped asset fails the test that scans it, and nothing is written."""
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.scan(SET, path)
    assert emulator.control.state()["purview"]["entities"] == []


def test_scan_over_the_control_plane_is_seen_by_clients(emulator: Emulator) -> None:
    """The control plane answers with guid and outcome of each path, and logs no request."""
    (found,) = emulator.control.scan(SET)
    (entity,) = emulator.control.state()["purview"]["entities"]
    assert (entity["guid"], entity["attributes"]["qualifiedName"]) == (found["guid"], SET["qualifiedName"])
    assert emulator.control.requests() == []
