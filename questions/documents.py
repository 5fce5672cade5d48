"""Answers as JSON, by qualifiedName, so that two catalogs with the same lineage give the same."""

from collections.abc import Iterable
from typing import Any

from questions.diff import SECTIONS, Change
from questions.impact import Impact
from questions.origin import Classified, Origin
from questions.packages import Use
from shared.purview.reader import Asset

Json = dict[str, Any]


def of_asset(asset: Asset) -> Json:
    return {"name": asset.name, "typeName": asset.type_name, "qualifiedName": asset.qualified_name}


def of_entity(asset: Asset) -> Json:
    """Return an asset with all its attributes."""
    attributes = {name: value for name, value in asset.attributes.items() if name != "qualifiedName"}
    return {
        **of_asset(asset),
        "attributes": attributes,
        **({"labels": list(asset.labels)} if asset.labels else {}),
        **({"classifications": list(asset.classifications)} if asset.classifications else {}),
    }


def of_impact(impact: Impact, *, live: bool = False) -> Json:
    return {
        "asset": of_asset(impact.start),
        "impact": [
            {
                "kind": each.kind,
                **of_asset(each.asset),
                "live": each.live,
                "path": [of_asset(step) for step in each.path],
            }
            for each in impact.reached
            if each.live or not live
        ],
    }


def of_origin(origin: Origin) -> Json:
    return {
        "asset": of_asset(origin.start),
        "sources": [{**of_asset(each), "labels": list(each.labels)} for each in origin.sources],
        "assets": [of_asset(each) for each in origin.assets],
        "runs": [{**of_asset(each), **_of_run(each)} for each in origin.runs],
        "packages": [
            {**of_asset(environment), "packages": [of_package(each) for each in inside]}
            for environment, inside in origin.packages
        ],
        "classifications": of_classified(origin.classified),
    }


def of_classified(classified: Iterable[Classified]) -> Json:
    return {each.classification: [of_asset(asset) for asset in each.data] for each in classified}


def of_uses(uses: Iterable[Use]) -> list[Json]:
    return [
        {
            **of_asset(use.asset),
            "live": use.live,
            "how": use.how,
            "certainty": use.certainty,
            "package": of_package(use.package),
            "environment": use.environment.qualified_name,
        }
        for use in uses
    ]


def of_changes(before: Asset, after: Asset, changes: Iterable[Change]) -> Json:
    listed = list(changes)
    return {
        "before": of_asset(before),
        "after": of_asset(after),
        **{
            section: {
                each.name: {"before": each.before or None, "after": each.after or None}
                for each in listed
                if each.section == section
            }
            for section in SECTIONS
        },
    }


def of_package(package: Asset) -> Json:
    known = {name: package.attributes.get(name) for name in ("version", "specifier", "source", "programming_language")}
    return {"name": package.name, **{name: value for name, value in known.items() if value}}


def _of_run(run: Asset) -> Json:
    known = {
        name: run.attributes.get(name) for name in ("status", "started_at", "ended_at", "git_commit", "studio_url")
    }
    return {name: value for name, value in known.items() if value}
