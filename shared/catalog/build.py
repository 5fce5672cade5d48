"""Builds all entities of a run tree or an endpoint. Pure: the same input gives the same entities in the same order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from shared.catalog import qualified_names
from shared.catalog.assets import (
    NOTHING_AROUND,
    Around,
    Matches,
    build_data,
    build_environment,
    build_workspace,
    evidence_of_data,
    ref_of_environment,
    ref_of_workspace,
    url_of_endpoint,
    url_of_run,
    without_known,
    without_own_folders,
)
from shared.catalog.column_mapping import column_mapping_attributes
from shared.catalog.downstream import NOTHING, Downstream, Feed
from shared.catalog.entities import UNSCANNED, Entity, Evidence, Ref, as_json, attributes, ends
from shared.catalog.kinds import (
    DEPLOYMENT,
    ENDPOINT,
    EXPERIMENT,
    LINK,
    METRIC_ATTRIBUTES,
    METRICS,
    SETTING_ATTRIBUTES,
    SETTINGS,
    STEP,
    kind_of,
)
from shared.model import BATCH, SERVERLESS, Data, DataAsset, Endpoint, Port, Run, RunTree, Workspace, WorkspaceId
from shared.places.matching import MatchKind, list_feeds, places_of_feed, registered_from


def build_run_tree(
    tree: RunTree,
    *,
    matches: Matches,
    models: Mapping[str, Sequence[Ref]],
    only: str = "",
    downstream: Downstream = NOTHING,
    around: Around = NOTHING_AROUND,
) -> tuple[Entity, ...]:
    """
    Build the entities of a tree.

    Args:
        matches: what the catalog holds for every place of `places_by_run(tree, downstream)`.
        models: run id → the model versions registered from that run, which the run itself does not record.
        only: build just this run (of a tree that has not ended).
        downstream: what data feeds in Power BI, besides what its tags say.
        around: what other runs wrote around the places that these read.
    """
    runs = [run for run in tree.runs if only in ("", run.id)]
    return _in_order(
        entity
        for run in runs
        for entity in (
            build_workspace(tree.workspace),
            *_build_run(tree.workspace, run, matches=matches, models=models.get(run.id, ()), around=around),
            *(
                link
                for port in (*run.inputs, *run.outputs)
                for link in _build_power_bi(tree.workspace.id, port.data, matches, downstream)
            ),
        )
    )


def build_endpoint(
    endpoint: Endpoint, *, matches: Matches, past: Mapping[str, Iterable[Evidence]] = MappingProxyType({})
) -> tuple[Entity, ...]:
    """
    Build an endpoint, its deployments and the model versions they serve.

    Args:
        matches: what the catalog holds for every place of `places_of_endpoint`, and every place of `past`.
        past: by deployments, what they collected once.
    """
    workspace = endpoint.workspace
    ref = Ref(ENDPOINT, qualified_names.of_endpoint(workspace.id, endpoint.name))
    entities = [
        Entity(
            ref,
            attributes(
                endpoint.name,
                description=endpoint.description,
                compute_type=endpoint.compute_type,
                state=endpoint.state,
                scoring_uri=endpoint.scoring_uri,
                tags=as_json(endpoint.tags),
                notes=endpoint.notes,
                studio_url=""
                if endpoint.compute_type in (BATCH, SERVERLESS)
                else url_of_endpoint(workspace, endpoint.name),
                workspace_name=workspace.name,
                workspace_subscription_id=workspace.id.subscription_id,
                workspace_resource_group=workspace.id.resource_group,
            ),
        )
    ]
    for deployment in endpoint.deployments:
        served: list[Data] = [model.stands_for or model for model in deployment.models]
        entities += [entity for data in served for entity in build_data(workspace, data, matches)]
        models = [
            each
            for data in served
            for each in evidence_of_data(workspace.id, data, matches, is_output=False, field=deployment.field)
        ]
        if deployment.collected:  # data assets are in datastores, and those in the workspace
            entities.append(build_workspace(workspace))
        entities += [entity for port in deployment.collected for entity in build_data(workspace, port.data, matches)]
        collected = [*_of_outputs(workspace.id, deployment.collected, matches)]
        collected += (
            replace(each, end=matches[each.place].ref) if each.place else each for each in past.get(deployment.name, ())
        )
        entities.append(
            Entity(
                Ref(DEPLOYMENT, qualified_names.of_deployment(ref.qualified_name, deployment.name)),
                attributes(
                    f"deploy {deployment.name}",
                    state=deployment.state,
                    traffic=deployment.traffic,
                    instance_type=deployment.instance_type,
                    environment=deployment.environment,
                    notes=deployment.notes,
                ),
                inputs=ends(each.end for each in models),
                outputs=(ref, *ends(each.end for each in collected)),
                evidence=(
                    *models,
                    Evidence(ref, is_output=True, field="the endpoint it is a deployment of"),
                    *collected,
                ),
            )
        )
    return _in_order(entities)


def _build_run(
    workspace: Workspace, run: Run, *, matches: Matches, models: Sequence[Ref], around: Around
) -> Iterator[Entity]:
    name = qualified_names.of_run(workspace.id, run.id)
    experiment = Ref(EXPERIMENT, qualified_names.of_experiment(workspace.id, run.experiment))
    yield Entity(experiment, attributes(run.experiment), parents={"workspace": ref_of_workspace(workspace.id)})
    for port in (*run.inputs, *run.outputs):
        yield from build_data(workspace, port.data, matches, around)
    ports = (*_of_inputs(workspace.id, run, matches), *_of_outputs(workspace.id, run.outputs, matches))
    evidence, own_folders = without_own_folders(ports, matches)
    edges = without_known(around.of_runs.get(name, ()), evidence)
    yield from around.build(edges, matches)
    evidence += edges
    if run.environment:
        yield from build_environment(workspace, run.environment)
        if run.environment.packages is not None:
            packages = ref_of_environment(workspace.id, run.environment)
            evidence.append(Evidence(packages, is_output=False, field="runDefinition.environment"))
    if run.parameters:
        config = Ref(SETTINGS, qualified_names.of_config(name))
        evidence.append(Evidence(config, is_output=False, field="parameters of runDefinition, MLflow and the job"))
        yield Entity(
            config,
            attributes(f"{run.name} settings", **_config_attributes(run)),
        )
    if run.metrics:
        metrics = Ref(METRICS, qualified_names.of_metrics(name))
        evidence.append(Evidence(metrics, is_output=True, field="metrics in MLflow"))
        yield Entity(metrics, attributes(f"{run.name} metrics", **_metric_attributes(run.metrics)))
    column_mapping, problem = column_mapping_attributes(workspace.id, run, matches)
    yield Entity(
        Ref(STEP, name),
        attributes(
            run.name,
            description=run.description,
            owner=run.owner,
            tags=as_json(run.tags),
            studio_url=url_of_run(workspace, run.id),
            created_at=run.created_at,
            notes=" ".join(filter(None, (run.notes, problem, own_folders))),
            run_id=run.id,
            run_type=run.kind,
            status=run.status,
            started_at=run.started_at,
            ended_at=run.ended_at,
            command=run.command,
            compute_target=run.compute,
            component=run.component,
            environment=ref_of_environment(workspace.id, run.environment).qualified_name if run.environment else "",
            git_repository=run.git_repository,
            git_branch=run.git_branch,
            git_commit=run.git_commit,
            git_dirty=run.git_dirty,
            pipeline_run_id=run.root_id if run.root_id != run.id else "",
            pipeline_status=run.root_status if run.root_id != run.id else "",
            endpoint=qualified_names.of_endpoint(workspace.id, run.endpoint) if run.endpoint else "",
            deployment=run.deployment,
            **column_mapping,
        ),
        parents={"experiment": experiment},
        inputs=ends(each.end for each in evidence if not each.is_output),
        outputs=ends([*(each.end for each in evidence if each.is_output), *models]),
        evidence=tuple(evidence),
    )


def _build_power_bi(workspace: WorkspaceId, data: Data, matches: Matches, downstream: Downstream) -> Iterator[Entity]:
    """Chain some data to the Power BI datasets that its tags or the mapping name, and those to the reports."""
    for source, feeds in list_feeds(workspace, data, downstream):
        sources = tuple(evidence_of_data(workspace, source, matches, is_output=False, field=""))
        yield from _links(sources, feeds, matches)


def _links(sources: Sequence[Evidence], feeds: Iterable[Feed], matches: Matches) -> Iterator[Entity]:
    """Yield each dataset and each report once, fed from all that lead to it, with the field of the first."""
    upstream: dict[Ref, dict[Ref, Evidence]] = {}
    for feed in feeds:
        dataset, *report = (place.ref for place in places_of_feed(feed))
        for source in sources:
            upstream.setdefault(dataset, {}).setdefault(source.end, replace(source, field=feed.dataset_field))
        for target in report:
            fed = Evidence(matches[dataset].ref, is_output=False, field=feed.report_field)
            upstream.setdefault(target, {}).setdefault(fed.end, fed)
    # The place and not the entity matched now: the name must stay the same after a scan.
    name = (sources[0].place or sources[0].end).qualified_name
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


def _of_inputs(workspace: WorkspaceId, run: Run, matches: Matches) -> Iterator[Evidence]:
    for port in run.inputs:
        yield from evidence_of_data(workspace, port.data, matches, is_output=False, field=port.field)


def _of_outputs(workspace: WorkspaceId, outputs: Iterable[Port], matches: Matches) -> Iterator[Evidence]:
    for port in outputs:
        for found in evidence_of_data(workspace, port.data, matches, is_output=True, field=port.field):
            yield replace(found, inferred=port.inferred)
        # A registered output at a path of its own choosing: what reads the path must find what wrote it.
        if isinstance(port.data, DataAsset) and (location := registered_from(port.data, matches)):
            field = f"{port.field} and properties.dataUri of {port.data.id.label}"
            yield from evidence_of_data(workspace, location, matches, is_output=True, field=field)


def _config_attributes(run: Run) -> dict[str, str | bool]:
    known = {name: run.parameters[name] for name in SETTING_ATTRIBUTES if name in run.parameters}
    return {**known, **({"compute_target": run.compute} if run.compute else {}), "parameters": as_json(run.parameters)}


def _metric_attributes(metrics: Mapping[str, float]) -> dict[str, str | bool]:
    by_name = {name.casefold(): value for name, value in metrics.items()}
    chosen = {name: metrics.get(name, by_name.get(name.casefold())) for name in METRIC_ATTRIBUTES}
    known = {name: repr(value) for name, value in chosen.items() if value is not None}
    return {**known, "metrics": as_json(metrics)}


def _in_order(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Order by qualifiedName, each entity once: met twice it is the same both times, being built from itself."""
    by_ref = {entity.ref: entity for entity in entities}
    return tuple(by_ref[ref] for ref in sorted(by_ref, key=lambda ref: (ref.qualified_name, ref.type_name)))
