"""A bundle for an auditor: what a model version was made of and where it went, with the evidence, and hashes of it."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import networkx as nx

from questions.asset_facts import metrics_of, settings_of
from questions.draw import asset_json, entity_json, impact_json, origin_json, package_json
from questions.explain import explain_edges
from questions.impact import find_impact
from questions.origin import find_origin
from questions.walk import Walker, order
from shared.catalog.kinds import METRICS, SETTINGS, STEP
from shared.catalog.qualified_names import QualifiedName, of_serving
from shared.catalog.serving import Serving
from shared.model import to_utc_text
from shared.purview.reader import INPUT, OUTPUT, Asset
from shared.state.ports import Ledger, Row

MANIFEST = "manifest.json"


def read_history(ledger: Ledger, endpoint: QualifiedName) -> tuple[Serving, ...]:
    """Return which model versions answered behind an endpoint when, oldest first; empty if it is unknown."""
    name = of_serving(endpoint)
    row = ledger.get_rows([name]).get(name)
    return tuple(sorted(row.served)) if row else ()


def serving_at(history: Sequence[Serving], at: datetime) -> tuple[Serving, ...]:
    """Return the periods of a history that a moment is in."""
    return tuple(each for each in history if each.covers(to_utc_text(at)))


def history_json(history: Sequence[Serving]) -> list[dict[str, object]]:
    """Build the JSON of a serving history."""
    return [{**asdict(each), "models": list(each.models)} for each in history]


def format_serving(each: Serving) -> str:
    """
    Format a period for people.

    >>> format_serving(Serving("2026-07-01T00:00:00Z", "blue", ("churn:1",), "100", "2026-08-01T00:00:00Z"))
    'blue: churn:1, 100 % of the traffic, from 2026-07-01T00:00:00Z to 2026-08-01T00:00:00Z'
    """
    models = ", ".join(each.models) or "a model that is not known"
    traffic = f", {each.traffic} % of the traffic" if each.traffic else ""
    return f"{each.deployment}: {models}{traffic}, from {each.since}" + (f" to {each.until}" if each.until else " on")


_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive knows: members carry no other, so that the same content gives the same bytes."""


def gather(walker: Walker, guid: str, ledger: Ledger) -> dict[str, Any]:
    """
    Collect what the catalog has of a model version now, and what the ledger noted when that was written.

    Returns:
        JSON by the name of the file it goes into.
    """
    above, below = walker.walk([guid], INPUT), walker.walk([guid], OUTPUT)
    graph = nx.compose(above, below)
    whole = walker.read(graph)
    upstream = sorted((whole[each] for each in above if each in whole), key=order)
    runs = [asset for asset in upstream if asset.type_name == STEP]
    logged = walker.read(each.guid for run in runs for each in run.next(OUTPUT))
    origin = find_origin(walker, guid)
    names = [asset.qualified_name for asset in (*whole.values(), *logged.values())]
    rows = ledger.get_rows(names)
    return {
        "model.json": entity_json(whole[guid]),
        "lineage.json": _lineage(whole, graph, ledger),
        "origin.json": origin_json(origin),
        "impact.json": impact_json(find_impact(walker, guid)),
        "runs.json": [entity_json(run) for run in runs],
        "settings.json": {each.qualified_name: settings_of(each) for each in upstream if each.type_name == SETTINGS},
        "metrics.json": {
            each.qualified_name: metrics_of(each)
            for each in sorted(logged.values(), key=order)
            if each.type_name == METRICS
        },
        "packages.json": {
            environment.qualified_name: [package_json(each) for each in packages]
            for environment, packages in origin.packages
        },
        "events.json": [_row(rows[name]) for name in sorted(rows)],
    }


def write_bundle(
    path: Path, asset: Asset, files: Mapping[str, Any], *, at: datetime, version: str
) -> Mapping[str, str]:
    """
    Write a zip archive with the files and a manifest of their SHA-256 hashes.

    Returns:
        The hash of each file, and of the manifest.

    Raises:
        FileExistsError
    """
    contents = {name: _to_bytes(content) for name, content in sorted(files.items())}
    manifest = {
        "asset": asset_json(asset),
        "as_of": to_utc_text(at),
        "written_by": f"aml-purview-lineage {version}",
        "files": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in contents.items()},
    }
    contents[MANIFEST] = _to_bytes(manifest)
    with path.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return {name: _sha256(data) for name, data in contents.items()}


def _lineage(whole: Mapping[str, Asset], graph: "nx.DiGraph[str]", ledger: Ledger) -> dict[str, Sequence[object]]:
    """Return nodes and edges, each edge with what it is based on and how the catalog knew the data."""
    edges = [
        (whole[source].qualified_name, whole[target].qualified_name)
        for source, target in graph.edges
        if source in whole and target in whole
    ]
    explained = explain_edges(ledger, edges)
    return {
        "nodes": [entity_json(asset) for asset in sorted(whole.values(), key=order)],
        "edges": [
            {
                "from": source,
                "to": target,
                "basis": why.basis,
                "field": why.field,
                **({"match": why.match, "rule": why.rule} if why.match else {}),
            }
            for (source, target), why in sorted(explained.items())
        ],
    }


def _row(row: Row) -> dict[str, object]:
    known = {
        "key": row.key,
        "kind": row.kind,
        "outcome": row.outcome,
        "reason": row.reason,
        "status": row.status,
        "event_id": row.event_id,
        "event_time": to_utc_text(row.event_time) if row.event_time else "",
        "matches": dict(row.matches),
    }
    return {name: value for name, value in known.items() if value}


def _to_bytes(content: object) -> bytes:
    return f"{json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)}\n".encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
