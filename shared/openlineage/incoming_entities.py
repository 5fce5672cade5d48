"""Builds the entities of a run that OpenLineage told of. Pure: the same run gives the same entities."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.catalog import qualified_names
from shared.catalog.assets import UNRESOLVED, UNSCANNED, Matches, build_placeholder
from shared.catalog.column_mapping import spell_column_mappings
from shared.catalog.entities import Entity, Evidence, Ref, attributes, ends
from shared.catalog.kinds import EXPERIMENT, STEP, WORKSPACE
from shared.model import ColumnMapping
from shared.openlineage.columns import Dataset
from shared.openlineage.incoming_places import locate, place_of_dataset
from shared.openlineage.job_run import JobRun
from shared.places.matching import MatchKind, Place
from shared.places.table import names_of

DECLARED = "declared: OpenLineage (facet columnLineage)"


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a data set may be in the catalog: its own first, and those that are the same data."""

    own: Place
    others: tuple[Place, ...]

    def choose(self, matches: Matches) -> Place:
        """Take its own name if that is in the catalog, else another that is; else its own."""
        found = (place for place in (self.own, *self.others) if matches[place.ref].kind is not MatchKind.PLACEHOLDER)
        return next(found, self.own)


def names_of_data(run: JobRun) -> dict[Dataset, Names]:
    """Tell of each input and output under which names to look it up."""
    symlinks = run.symlinks or {}
    return {
        dataset: Names(
            place_of_dataset(dataset, run.id.namespace),
            tuple(place_of_dataset(each, run.id.namespace) for each in symlinks.get(dataset, ())),
        )
        for dataset in dict.fromkeys((*run.inputs, *run.outputs))
    }


def list_places_of(names: Mapping[Dataset, Names]) -> tuple[Place, ...]:
    """Return every place to look up, each once, in the order of qualifiedNames."""
    places = {place.ref: place for each in names.values() for place in (each.own, *each.others)}
    return tuple(places[ref] for ref in sorted(places))


def build_job_run(run: JobRun, names: Mapping[Dataset, Names], matches: Matches) -> tuple[Entity, ...]:
    """Build the step, the experiment that its job is, and whatever stands for data that no scan has found."""
    key = qualified_names.of_job_run(run.id.namespace, run.id.run_id)
    places = {dataset: each.choose(matches) for dataset, each in names.items()}
    namespace = Ref(WORKSPACE, qualified_names.of_job_namespace(run.id.namespace))
    experiment = Ref(EXPERIMENT, qualified_names.of_job(run.id.namespace, run.job))
    evidence = [
        Evidence(
            matches[places[dataset].ref].ref,
            is_output=is_output,
            field=f"{'outputs' if is_output else 'inputs'} in OpenLineage: {dataset.label}",
            place=places[dataset].ref,
        )
        for is_output, side in ((False, run.inputs), (True, run.outputs))
        for dataset in side
    ]
    mapping, problem = _column_mapping(run, {data: matches[place.ref].ref for data, place in places.items()})
    entities = [
        *(entity for dataset, place in places.items() for entity in _stand_in(dataset, place, matches)),
        # No experiment is in the catalog without a workspace; what holds these jobs together is their namespace.
        Entity(namespace, attributes(run.id.namespace, description="A namespace of jobs that OpenLineage tells of.")),
        Entity(experiment, attributes(run.job), parents={"workspace": namespace}),
        Entity(
            Ref(STEP, key),
            attributes(
                run.job,
                description=run.documentation,
                notes=problem,
                run_id=run.id.run_id,
                run_type=" ".join(("OpenLineage", run.kind)).strip(),
                status=run.status,
                started_at=run.started_at,
                ended_at=run.ended_at,
                git_repository=run.repository,
                git_branch=run.branch,
                git_commit=run.version,
                **mapping,
            ),
            parents={"experiment": experiment},
            inputs=ends(each.end for each in evidence if not each.is_output),
            outputs=ends(each.end for each in evidence if each.is_output),
            evidence=tuple(evidence),
        ),
    ]
    by_ref = {entity.ref: entity for entity in entities}
    return tuple(by_ref[ref] for ref in sorted(by_ref, key=lambda ref: (ref.qualified_name, ref.type_name)))


def _stand_in(dataset: Dataset, place: Place, matches: Matches) -> Iterator[Entity]:
    match = matches[place.ref]
    if match.kind is not MatchKind.PLACEHOLDER:
        return
    if location := locate(dataset):  # chosen for want of anything that was found: its own place
        yield from build_placeholder(names_of(location), matches)
        return
    name = dataset.name.rstrip("/").rpartition("/")[2] or dataset.name
    is_ours = place.ref.qualified_name.startswith("azureml://")
    about = "Azure ML's, by its name, and not in the catalog yet." if is_ours else "It could not be placed."
    description = f"OpenLineage names this data. {about}"
    yield Entity(match.ref, attributes(name, description=description), labels=(UNSCANNED if is_ours else UNRESOLVED,))


def _column_mapping(run: JobRun, refs: Mapping[Dataset, Ref]) -> tuple[dict[str, str], str]:
    pairs: dict[tuple[Dataset, Dataset], set[tuple[str, str]]] = {}
    strangers: set[str] = set()
    by_name = _by_any_name(run)
    for sink, edges in (run.edges or {}).items():
        if sink not in run.outputs:
            continue  # it was announced, and never written
        for column, source, field in edges:
            known = by_name.get(source)
            if known in refs and known in run.inputs:
                pairs.setdefault((known, sink), set()).add((field, column))
            else:
                strangers.add(source.label)
    mappings = tuple(
        ColumnMapping(_port(source), _port(sink), tuple(sorted(columns)), DECLARED)
        for (source, sink), columns in sorted(pairs.items())
    )
    sources = {_port(dataset): refs[dataset] for dataset in run.inputs}
    sinks = {_port(dataset): refs[dataset] for dataset in run.outputs}
    spelt, problem = spell_column_mappings(mappings, sources, sinks)
    return spelt, " ".join(filter(None, (problem, _strange(strangers))))


def _by_any_name(run: JobRun) -> dict[Dataset, Dataset]:
    others = {name: dataset for dataset, names in (run.symlinks or {}).items() for name in names}
    return {**others, **{dataset: dataset for dataset in run.inputs}}


def _port(dataset: Dataset) -> str:
    return f"{dataset.namespace} {dataset.name}"


def _strange(labels: Iterable[str]) -> str:
    names = sorted(labels)
    if not names:
        return ""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"Columns are not mapped from data that the run does not read: {', '.join(names[:5])}{more}."
