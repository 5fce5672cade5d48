"""Joins a model of a registry with the model of a workspace it was shared from, which no field of Azure ML names."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from shared.catalog.assets import build_sharing, ref_of_model
from shared.catalog.entities import Entity, Evidence
from shared.catalog.qualified_names import QualifiedName
from shared.model import AssetId, ModelVersion, WorkspaceId
from shared.places.place import BELOW_ROOT
from shared.places.uris import AssetReference, parse_reference
from shared.state.ports import Ledger, PlaceUse

SHARED_TAG = "lineage.registry_model"
"""Tag of a model version by which people say as which model of a registry it was shared."""
_DECLARED = f"tag {SHARED_TAG} of the model version"
_INFERRED = "name and version of the model, which are those of one model of the workspaces"
_SEVERAL = "Models of this name and version are in several workspaces, and none of them has the tag {}: {}."
_UNCLEAR = (
    "A model of this name and version is in a workspace, but the registry is called as Microsoft's are: where it came "
    "from is known only by the tag {} of that model."
)
_ROOT = "azureml"
_PUBLIC = frozenset(
    {
        *("azureml", "azureml-ai21", "azureml-cohere", "azureml-core42", "azureml-deepseek", "azureml-meta"),
        *("azureml-mistral", "azureml-msr", "azureml-nixtla", "azureml-openai-oss", "azureml-xai"),
        *("azure-openai", "azure-openai-v2", "huggingface", "nvidia-ai", "nvidia-ai-enterprise-preview"),
    }
)
"""
Registries of Microsoft and its partners, as public examples name them, in lower case.

Sources: Azure/azureml-examples and Azure/azureml-assets, the guide "One-click deployments on Azure ML" of Hugging
Face, model ids in the documentation of Azure AI Foundry. That no customer may write there is inferred.
"""
_LIKE_PUBLIC = ("azureml-", "azure-openai", "nvidia-ai")


def list_reads(reader: QualifiedName, workspace: WorkspaceId, models: Iterable[AssetId]) -> tuple[PlaceUse, ...]:
    """Return that something uses models of registries, so that it is published again when one is found to be shared."""
    uses = {
        PlaceUse(path, reader, False, False, ref_of_model(workspace, model))
        for model in models
        for path in _paths_of(model)
    }
    return tuple(sorted(uses))


def list_shares(workspace: WorkspaceId, model: ModelVersion) -> tuple[PlaceUse, ...]:
    """Return as which models of registries one of a workspace may have been shared; none if it came from one itself."""
    ref = ref_of_model(workspace, model.id)
    came_from, declared = (parse_reference(text, kind="models") for text in (model.uri, model.tags.get(SHARED_TAG, "")))
    if isinstance(came_from, AssetReference) and came_from.asset.registry:
        return ()
    paths = [_path(AssetId("models", model.id.name, model.id.version))]
    if isinstance(declared, AssetReference) and declared.asset.registry:
        paths.append(_path(declared.asset))
    return tuple(PlaceUse(path, ref.qualified_name, True, False, ref, model.created_at) for path in paths)


def build_sharings(ledger: Ledger, workspace: WorkspaceId, models: Iterable[AssetId]) -> Iterator[Entity]:
    """
    Yield how each model of a registry came there, as far as that is known: the same for all that use it.

    A tag says so; else the one model of the same name and version in the workspaces that are published. Sharing keeps
    both unless other ones are given (`az ml model share`).
    """
    for model in sorted(set(models)):
        paths = _paths_of(model)
        shares = ledger.find_uses_at(paths, is_output=True)
        declared = {each.data for each in shares if each.path == paths[0]}
        ref = ref_of_model(workspace, model)
        if shares and not declared and model.registry.casefold().startswith(_LIKE_PUBLIC):
            if not is_public(model.registry):
                yield build_sharing(ref, model, (), notes=_UNCLEAR.format(SHARED_TAG))
            continue
        found = sorted(declared or (set() if is_public(model.registry) else {each.data for each in shares}))
        if len(found) == 1:
            field = _DECLARED if declared else _INFERRED
            yield build_sharing(ref, model, (Evidence(found[0], is_output=False, field=field, inferred=not declared),))
        elif found:
            named = ", ".join(str(each.qualified_name) for each in found)
            yield build_sharing(ref, model, (), notes=_SEVERAL.format(SHARED_TAG, named))


def is_public(registry: str) -> bool:
    """
    Tell whether a registry is one of Microsoft's or a partner's, into which no customer shares models.

    >>> is_public("azureml-meta"), is_public("contoso-prod")
    (True, False)
    """
    return registry.casefold() in _PUBLIC


def _paths_of(model: AssetId) -> tuple[str, str]:
    return _path(model), _path(AssetId(model.kind, model.name, model.version))


def _path(model: AssetId) -> str:
    """
    Name a model as the ledger's index of places has it, whichever workspace it is in if it is of none.

    >>> _path(AssetId("models", "churn", "3", "contoso")), _path(AssetId("models", "churn", "3"))
    ('azureml//contoso:churn:3', 'azureml//:churn:3')
    """
    parts = (model.registry.casefold(), model.name, model.version)
    return f"{_ROOT}{BELOW_ROOT}{':'.join(quote(each, safe='') for each in parts)}"
