"""Builds the entities of things that outlive a run: data, datastores, models, environments."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from shared.catalog import qualified_names
from shared.catalog.entities import UNRESOLVED, UNSCANNED, Entity, Evidence, Ref, as_json, attributes, ends
from shared.catalog.kinds import (
    COLUMN,
    DATA_ASSET,
    DATASTORE,
    MODEL,
    OTHER_DATA,
    PACKAGE,
    PACKAGES,
    REGISTRATION,
    SCHEMA,
    SCHEMA_ATTRIBUTE,
    WORKSPACE,
)
from shared.catalog.qualified_names import QualifiedName
from shared.model import (
    AssetId,
    Data,
    DataAsset,
    Datastore,
    Environment,
    Location,
    ModelVersion,
    Unresolved,
    Workspace,
    WorkspaceId,
)
from shared.places.matching import (
    Match,
    MatchKind,
    is_unresolved,
    place_of_unresolved,
    registered_from,
)
from shared.places.place import GLOB, Place
from shared.places.platforms import place_of
from shared.places.uris import label_of

Matches = Mapping[Ref, Match]
"""What the catalog holds for each place a run tree touches."""


@dataclass(frozen=True, slots=True)
class Around:
    """
    What other runs wrote around the places that runs read.

    Attributes:
        of_runs: run → the edges that follow to it.
        of_assets: data asset → the edges that follow to its registration.
        places: how each of the places is looked up.
    """

    of_runs: Mapping[QualifiedName, tuple[Evidence, ...]] = field(default_factory=dict)
    of_assets: Mapping[Ref, tuple[Evidence, ...]] = field(default_factory=dict)
    places: Mapping[Ref, Place] = field(default_factory=dict)

    def build(self, edges: Iterable[Evidence], matches: Matches) -> Iterator[Entity]:
        """Yield the placeholders that edges lead to: who wrote the places may not have been published yet."""
        for edge in edges:
            if edge.place:
                yield from build_placeholder(self.places[edge.place], matches)


NOTHING_AROUND = Around()


def without_known(edges: Iterable[Evidence], known: Iterable[Evidence]) -> list[Evidence]:
    """Leave out what a process reads anyhow."""
    known_ends = {each.end for each in known if not each.is_output}
    return [edge for edge in edges if edge.end not in known_ends]


def without_own_folders(evidence: Iterable[Evidence], matches: Matches) -> tuple[list[Evidence], str]:
    """
    Leave out globs that are shown as a folder which the process writes: that holds more than was read.

    Returns:
        What is left, and a note of what is not.
    """
    known = list(evidence)
    written = {each.end for each in known if each.is_output}
    left_out = {
        each.place
        for each in known
        if each.place
        and not each.is_output
        and each.end in written
        and GLOB.search(each.place.qualified_name)
        and matches[each.place].kind is not MatchKind.RESOURCE_SET
    }
    names = ", ".join(ref.qualified_name for ref in sorted(left_out))
    note = f"It reads {names} in a folder that it writes: which files it found there is not known." if names else ""
    return [each for each in known if each.is_output or each.place not in left_out], note


def ref_of_asset(workspace: WorkspaceId, asset: DataAsset) -> Ref:
    """Name a data asset, which is of the workspace that names it unless it says otherwise."""
    owner = asset.workspace.id if asset.workspace else workspace
    return Ref(DATA_ASSET if asset.datastore else OTHER_DATA, qualified_names.of_asset(owner, asset.id))


def refs_of_data(workspace: WorkspaceId, data: Data, matches: Matches) -> tuple[Ref, ...]:
    """Return the entities of some data in the graph: of a glob, each resource set that it may lead to."""
    place = _place_of_data(workspace, data)
    if place:
        return matches[place].refs
    match data:
        case DataAsset():
            return (ref_of_asset(workspace, data),)
        case ModelVersion():
            return (ref_of_model(data.workspace.id if data.workspace else workspace, data.id),)
    raise AssertionError("a place was looked up for everything else")


def evidence_of_data(
    workspace: WorkspaceId, data: Data, matches: Matches, *, is_output: bool, field: str
) -> Iterator[Evidence]:
    """Yield what each edge to or from some data is based on."""
    place = _place_of_data(workspace, data)
    for ref in refs_of_data(workspace, data, matches):
        yield Evidence(ref, is_output=is_output, field=field, place=place)


def _place_of_data(workspace: WorkspaceId, data: Data) -> Ref | None:
    """Return what was looked up in the catalog for some data; None if it is known by a name of ours."""
    match data:
        case Location():
            return place_of(data).ref
        case DataAsset() | Unresolved() if is_unresolved(data):
            return place_of_unresolved(workspace, data).ref
    return None


def refs_written(workspace: WorkspaceId, data: Data) -> Iterator[Ref]:
    """Yield what edges to some data that was written lead to, places as they are looked up."""
    place = _place_of_data(workspace, data)
    yield from (place,) if place else refs_of_data(workspace, data, {})
    if isinstance(data, DataAsset) and data.location:
        yield place_of(data.location).ref


def ref_of_model(workspace: WorkspaceId, model: AssetId) -> Ref:
    return Ref(MODEL, qualified_names.of_asset(workspace, model))


def ref_of_workspace(workspace: WorkspaceId) -> Ref:
    return Ref(WORKSPACE, qualified_names.of_workspace(workspace))


def build_workspace(workspace: Workspace) -> Entity:
    return Entity(
        ref_of_workspace(workspace.id),
        attributes(
            workspace.name,
            subscription_id=workspace.id.subscription_id,
            resource_group=workspace.id.resource_group,
            region=workspace.region,
        ),
    )


def build_data(workspace: Workspace, data: Data, matches: Matches, around: Around = NOTHING_AROUND) -> Iterator[Entity]:
    """Yield the entity of some data and those it needs beside it: datastore, registration."""
    match data:
        case Location():
            yield from build_placeholder(place_of(data), matches)
        case DataAsset() | Unresolved() if is_unresolved(data):
            yield from _unresolved(workspace, data, matches)
        case DataAsset():
            if data.workspace:
                yield build_workspace(data.workspace)
            yield from _data_asset(data.workspace or workspace, data, matches, around)
        case ModelVersion():
            yield build_model(data.workspace or workspace, data)


def build_model(workspace: Workspace, model: ModelVersion) -> Entity:
    """Build a model version from nothing but itself, so that every event which meets it writes the same."""
    return Entity(
        ref_of_model(workspace.id, model.id),
        attributes(
            model.id.label,
            description=model.description,
            id=model.id.label,
            version=model.id.version,
            model_type=model.model_type,
            path=model.uri,
            tags=as_json(model.tags),
            properties=as_json(model.properties),
            flavors=", ".join(model.flavors),
            stage=model.stage,
            studio_url=url_of_asset(workspace, model.id),
            owner=_as_owner(model.created_by),
            createdby=model.created_by,
            createdtime=model.created_at,
            **({} if model.id.registry else _in_workspace(workspace)),
        ),
        named_only=model == ModelVersion(model.id),
    )


def build_sharing(ref: Ref, model: AssetId, sources: tuple[Evidence, ...], *, notes: str = "") -> Entity:
    """Build the process that made a model version of a registry from one of a workspace."""
    return Entity(
        Ref(REGISTRATION, qualified_names.of_registration(ref.qualified_name)),
        attributes(f"share {model.label}", notes=notes),
        inputs=ends(each.end for each in sources),
        outputs=ends([ref]),
        evidence=(*sources, Evidence(ref, is_output=True, field="the model version in the registry")),
    )


def build_environment(workspace: Workspace, environment: Environment) -> Iterator[Entity]:
    """Yield an environment version and the packages in it; where those are not listed, it says so."""
    parent = ref_of_environment(workspace.id, environment)
    yield Entity(
        parent,
        attributes(
            environment.id.label,
            version=environment.id.version,
            registry=environment.id.registry,
            notes=environment.notes,
        ),
    )
    for package in environment.packages or ():
        yield Entity(
            Ref(PACKAGE, qualified_names.of_package(parent.qualified_name, package.key)),
            attributes(
                package.name,
                package_name=package.name,
                version=package.version,
                specifier=package.specifier,
                extras=", ".join(package.extras),
                marker=package.marker,
                source=package.source,
                programming_language=package.language,
                notes="" if package.version else "No version is pinned.",
            ),
            parents={"packages": parent},
        )


def ref_of_environment(workspace: WorkspaceId, environment: Environment) -> Ref:
    return Ref(PACKAGES, qualified_names.of_asset(workspace, environment.id))


_OBJECT_ID_OR_PRINCIPAL = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[^@\s]+@[^@\s]+")


def _as_owner(created_by: str) -> str:
    """Return who made an asset if that is an Entra object id or a user principal name, and not just a name."""
    return created_by if _OBJECT_ID_OR_PRINCIPAL.fullmatch(created_by) else ""


def _in_workspace(workspace: Workspace) -> dict[str, str | bool]:
    return {
        "workspace_name": workspace.name,
        "workspace_subscription_id": workspace.id.subscription_id,
        "workspace_resource_group": workspace.id.resource_group,
    }


def build_placeholder(place: Place, matches: Matches) -> Iterator[Entity]:
    """Yield the placeholder of a place that no scan has found; nothing for one that was found."""
    match = matches[place.ref]
    if match.kind is not MatchKind.PLACEHOLDER:
        return  # a scan made it, and a scan looks after it
    name = str(match.ref.qualified_name).rpartition("/")[2]
    if match.ref.type_name != OTHER_DATA:
        # Files and folders say which they are; a Power BI dataset has no such attribute.
        is_file = {} if place.platform == "Power BI" else {"isFile": not place.is_folder}
        yield Entity(match.ref, attributes(name, **is_file), labels=(UNSCANNED,))
    elif place.exact:
        stands_for = f"Stands for data of type {place.scanned_types[0]}" if place.scanned_types else "Stands for data"
        yield Entity(
            match.ref,
            attributes(name, description=f"{stands_for} that Purview has not scanned yet ({place.platform})."),
            labels=(UNSCANNED,),
        )
    else:
        yield Entity(match.ref, attributes(name, format=name.rpartition(".")[2] if "." in name else ""))


def _unresolved(workspace: Workspace, data: DataAsset | Unresolved, matches: Matches) -> Iterator[Entity]:
    match = matches[place_of_unresolved(workspace.id, data).ref]
    if match.kind is not MatchKind.PLACEHOLDER:
        return  # the catalog has it from when its place was known
    if isinstance(data, DataAsset) and data.id.registry:
        yield Entity(match.ref, attributes(data.id.label))
        return
    yield Entity(
        match.ref,
        attributes(
            data.id.label if isinstance(data, DataAsset) else label_of(data.text),
            description="Azure ML names this data but could not say where it lies.",
        ),
        labels=(UNRESOLVED,),
    )


def _data_asset(workspace: Workspace, asset: DataAsset, matches: Matches, around: Around) -> Iterator[Entity]:
    ref = ref_of_asset(workspace.id, asset)
    if asset.datastore:
        store = _datastore(workspace, asset.datastore)
        yield store
        yield Entity(
            ref,
            attributes(
                asset.id.label,
                description=asset.description,
                version=asset.id.version,
                data_type=asset.data_type,
                path=asset.location.url if asset.location else "",
                tags=as_json(asset.tags),
                studio_url=url_of_asset(workspace, asset.id),
                owner=_as_owner(asset.created_by),
                createdby=asset.created_by,
                createdtime=asset.created_at,
                notes=asset.notes,
            ),
            parents={"datastore": store.ref, **_schema_of(ref, asset)},
            named_only=not asset.data_type,
        )
    else:
        yield Entity(
            ref,
            attributes(asset.id.label, description=asset.description),
            parents=_schema_of(ref, asset),
            named_only=not asset.data_type,
        )
    yield from _schema(ref, asset)
    if location := registered_from(asset, matches):
        yield from build_placeholder(place_of(location), matches)
        field = f"properties.dataUri of the data asset {asset.id.label}"
        sources = tuple(evidence_of_data(workspace.id, location, matches, is_output=False, field=field))
        known = {ref, *(source.end for source in sources)}
        edges = tuple(edge for edge in around.of_assets.get(ref, ()) if edge.end not in known)
        yield from around.build(edges, matches)
        yield Entity(
            Ref(REGISTRATION, qualified_names.of_registration(ref.qualified_name)),
            attributes(f"register {asset.id.label}"),
            inputs=ends(edge.end for edge in (*sources, *edges)),
            outputs=(ref,),
            evidence=(
                *sources,
                *edges,
                Evidence(ref, is_output=True, field="the data asset version that was registered"),
            ),
        )


def _schema_of(dataset: Ref, asset: DataAsset) -> dict[str, Ref]:
    """Point from an asset to its schema, if it has one."""
    schema = Ref(SCHEMA, qualified_names.of_schema(dataset.qualified_name))
    return {SCHEMA_ATTRIBUTE: schema} if asset.columns else {}


def _schema(dataset: Ref, asset: DataAsset) -> Iterator[Entity]:
    """Yield Purview's own entities for a schema: what its Schema tab shows of the asset."""
    for schema in _schema_of(dataset, asset).values():
        yield Entity(schema, attributes(f"{asset.id.label} schema"))
        for column in asset.columns:
            yield Entity(
                Ref(COLUMN, qualified_names.of_column(schema.qualified_name, column.name)),
                attributes(column.name, type=column.data_type, data_type=column.data_type),
                parents={"composeSchema": schema},
            )


def _datastore(workspace: Workspace, datastore: Datastore) -> Entity:
    return Entity(
        Ref(DATASTORE, qualified_names.of_datastore(workspace.id, datastore.name)),
        attributes(
            datastore.name,
            datastore_type=datastore.kind,
            account_name=datastore.account,
            container_name=datastore.container,
            protocol=datastore.protocol,
            endpoint=datastore.endpoint,
        ),
        parents={"workspace": ref_of_workspace(workspace.id)},
    )


def url_of_run(workspace: Workspace, run_id: str) -> str:
    """
    >>> url_of_run(Workspace(WorkspaceId("s", "rg", "ws"), "ws", ""), "train")
    'https://ml.azure.com/runs/train?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    return _url(workspace, f"runs/{quote(run_id, safe='')}")


def url_of_asset(workspace: Workspace, asset: AssetId) -> str:
    """
    Link to a data asset or a model; "" for one of a registry, which belongs to no workspace.

    >>> url_of_asset(Workspace(WorkspaceId("s", "rg", "ws"), "ws", ""), AssetId("models", "churn", "3"))
    'https://ml.azure.com/model/churn:3/details?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    if asset.registry:
        return ""
    name, version = quote(asset.name, safe=""), quote(asset.version, safe="")
    path = f"model/{name}:{version}" if asset.kind == "models" else f"{asset.kind}/{name}/{version}"
    return _url(workspace, f"{path}/details")


def url_of_endpoint(workspace: Workspace, name: str) -> str:
    """
    Link to an online endpoint.

    >>> url_of_endpoint(Workspace(WorkspaceId("s", "rg", "ws"), "ws", ""), "churn-ep")
    'https://ml.azure.com/endpoints/realtime/churn-ep/detail?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    return _url(workspace, f"endpoints/realtime/{quote(name, safe='')}/detail")


def _url(workspace: Workspace, page: str) -> str:
    return (
        f"{workspace.studio}/{page}?wsid=/subscriptions/{workspace.id.subscription_id}"
        f"/resourcegroups/{workspace.id.resource_group}/workspaces/{workspace.id.name}"
    )
