"""Builds the entities of a run that OpenLineage events report. Pure: the same run gives the same entities."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.catalog import qualified_names
from shared.catalog.assets import (
    NOTHING_AROUND,
    Around,
    Matches,
    build_placeholder,
    without_known,
    without_own_folders,
)
from shared.catalog.column_mapping import format_column_mappings
from shared.catalog.entities import UNRESOLVED, UNSCANNED, Entity, Evidence, Ref, attributes, ends
from shared.catalog.kinds import EXPERIMENT, STEP, WORKSPACE
from shared.model import ColumnMapping
from shared.openlineage.job_run import LIMIT, JobRun
from shared.places.datasets import DatasetName
from shared.places.matching import MatchKind, place_of_dataset
from shared.places.place import Place
from shared.places.platforms import from_openlineage, place_of

DECLARED = "declared: OpenLineage (facet columnLineage)"
_CUT = f"Of a run, {LIMIT} data sets are kept at most: what was reported after that is left out."


def places_of_data(run: JobRun) -> dict[DatasetName, tuple[Place, ...]]:
    """Return where to look up each input and output: under its own name first, then under others of the same data."""
    symlinks = run.symlinks or {}
    return {
        dataset: tuple(place_of_dataset(each, run.id.namespace) for each in (dataset, *symlinks.get(dataset, ())))
        for dataset in dict.fromkeys((*run.inputs, *run.outputs))
    }


def choose(places: Sequence[Place], matches: Matches) -> Place:
    """Take the first place that the catalog has, else the first."""
    return next((place for place in places if matches[place.ref].kind is not MatchKind.PLACEHOLDER), places[0])


def list_places_of(data: Mapping[DatasetName, Sequence[Place]]) -> tuple[Place, ...]:
    """Return every place to look up, each once, in the order of qualifiedNames."""
    places = {place.ref: place for each in data.values() for place in each}
    return tuple(places[ref] for ref in sorted(places))


def build_job_run(
    run: JobRun,
    data: Mapping[DatasetName, Sequence[Place]],
    matches: Matches,
    around: Around = NOTHING_AROUND,
) -> tuple[Entity, ...]:
    """Build the step, the experiment that its job is, and placeholders for data that no scan has found."""
    key = qualified_names.of_job_run(run.id.namespace, run.id.run_id)
    places = {dataset: choose(each, matches) for dataset, each in data.items()}
    namespace = Ref(WORKSPACE, qualified_names.of_job_namespace(run.id.namespace))
    experiment = Ref(EXPERIMENT, qualified_names.of_job(run.id.namespace, run.job))
    sides = [
        Evidence(
            ref,
            is_output=is_output,
            field=f"{'outputs' if is_output else 'inputs'} in OpenLineage: {dataset.label}",
            place=places[dataset].ref,
        )
        for is_output, side in ((False, run.inputs), (True, run.outputs))
        for dataset in side
        for ref in matches[places[dataset].ref].refs
    ]
    evidence, own_folders = without_own_folders(sides, matches)
    edges = without_known(around.of_runs.get(key, ()), evidence)
    evidence += edges
    mapping, problem = _column_mapping(run, {dataset: matches[place.ref].refs for dataset, place in places.items()})
    entities = [
        *(entity for dataset, place in places.items() for entity in _placeholder(dataset, place, matches)),
        *around.build(edges, matches),
        # No experiment is in the catalog without a workspace; what holds these jobs together is their namespace.
        Entity(namespace, attributes(run.id.namespace, description="A namespace of jobs that OpenLineage reports.")),
        Entity(experiment, attributes(run.job), parents={"workspace": namespace}),
        Entity(
            Ref(STEP, key),
            attributes(
                run.job,
                description=run.documentation,
                notes=" ".join(filter(None, (problem, _CUT if run.is_cut else "", own_folders, _unconfirmed(run)))),
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


def _unconfirmed(run: JobRun) -> str:
    names = [each.label for each in run.unconfirmed]
    return f"Only Azure ML says who wrote its assets, so that these are left out: {_list(names)}." if names else ""


def _placeholder(dataset: DatasetName, place: Place, matches: Matches) -> Iterator[Entity]:
    match = matches[place.ref]
    if match.kind is not MatchKind.PLACEHOLDER:
        return
    if location := from_openlineage(dataset):  # nothing was found, so that it is its own place
        yield from build_placeholder(place_of(location), matches)
        return
    name = dataset.name.rstrip("/").rpartition("/")[2] or dataset.name
    is_ours = place.ref.qualified_name.startswith("azureml://")
    about = "Azure ML's, by its name, and not in the catalog yet." if is_ours else "It could not be placed."
    description = f"OpenLineage names this data. {about}"
    yield Entity(match.ref, attributes(name, description=description), labels=(UNSCANNED if is_ours else UNRESOLVED,))


def _column_mapping(run: JobRun, refs: Mapping[DatasetName, Sequence[Ref]]) -> tuple[dict[str, str], str]:
    pairs: dict[tuple[DatasetName, DatasetName], set[tuple[str, str]]] = {}
    unread: set[str] = set()
    by_name = _by_any_name(run)
    for sink, edges in (run.edges or {}).items():
        if sink not in run.outputs:
            continue  # it was announced, and never written
        for column, source, field in edges:
            known = by_name.get(source)
            if known in refs and known in run.inputs:
                pairs.setdefault((known, sink), set()).add((field, column))
            else:
                unread.add(source.label)
    mappings = tuple(
        ColumnMapping(_port(source), _port(sink), tuple(sorted(columns)), DECLARED)
        for (source, sink), columns in sorted(pairs.items())
    )
    sources = {_port(dataset): refs[dataset] for dataset in run.inputs}
    sinks = {_port(dataset): refs[dataset] for dataset in run.outputs}
    formatted, problem = format_column_mappings(mappings, sources, sinks)
    return formatted, " ".join(filter(None, (problem, _note_on(unread))))


def _by_any_name(run: JobRun) -> dict[DatasetName, DatasetName]:
    others = {name: dataset for dataset, names in (run.symlinks or {}).items() for name in names}
    return {**others, **{dataset: dataset for dataset in run.inputs}}


def _port(dataset: DatasetName) -> str:
    return f"{dataset.namespace} {dataset.name}"


def _note_on(labels: Iterable[str]) -> str:
    names = sorted(labels)
    return f"Columns are not mapped from data that the run does not read: {_list(names)}." if names else ""


def _list(names: Sequence[str]) -> str:
    """Name five at most."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
