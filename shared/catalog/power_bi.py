"""Builds the processes that lead from data on to Power BI."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from shared.catalog import qualified_names
from shared.catalog.assets import Matches, evidence_of_data
from shared.catalog.downstream import Downstream, Feed
from shared.catalog.entities import UNSCANNED, Entity, Evidence, Ref, attributes, ends
from shared.catalog.kinds import LINK, kind_of
from shared.model import Data, WorkspaceId
from shared.places.matching import MatchKind, list_feeds, places_of_feed


def build_power_bi(workspace: WorkspaceId, data: Data, matches: Matches, downstream: Downstream) -> Iterator[Entity]:
    """Chain some data to the Power BI datasets that its tags or the mapping name, and those to the reports."""
    for source, feeds in list_feeds(workspace, data, downstream):
        yield from _links(evidence_of_data(workspace, source, matches, is_output=False, field=""), feeds, matches)


def _links(source: Evidence, feeds: Iterable[Feed], matches: Matches) -> Iterator[Entity]:
    """Yield each dataset and each report once, fed from all that lead to it, with the first that says so."""
    upstream: dict[Ref, dict[Ref, Evidence]] = {}
    for feed in feeds:
        dataset, *report = (place.ref for place in places_of_feed(feed))
        upstream.setdefault(dataset, {}).setdefault(source.end, replace(source, field=feed.dataset_field))
        for target in report:
            fed = Evidence(matches[dataset].ref, is_output=False, field=feed.report_field)
            upstream.setdefault(target, {}).setdefault(fed.end, fed)
    # The place and not what stands for it now: the name must stay when a scan has been there.
    name = (source.place or source.end).qualified_name
    for target, inputs in upstream.items():
        match = matches[target]
        if match.kind is MatchKind.PLACEHOLDER:
            identifier = str(target.qualified_name).rpartition("/")[2]
            yield Entity(match.ref, attributes(identifier), labels=(UNSCANNED,))
        field = next(iter(inputs.values())).field
        yield Entity(
            Ref(LINK, qualified_names.of_power_bi_link(name, target.qualified_name)),
            attributes(f"load {kind_of(match.ref.type_name).word}"),
            inputs=ends(inputs),
            outputs=ends([match.ref]),
            evidence=(*inputs.values(), Evidence(match.ref, is_output=True, field=field, place=target)),
        )
