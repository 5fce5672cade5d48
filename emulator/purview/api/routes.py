"""Which path leads to which endpoint; the catalog's current base path and the legacy one are the same service."""

from collections.abc import Callable

from aiohttp import web

from emulator.purview.account import admin_responses as admin
from emulator.purview.account.admin_call import AdminHandle, admin_endpoint
from emulator.purview.api import entity_responses as entity
from emulator.purview.api import graph_responses as graph
from emulator.purview.api import type_responses as types
from emulator.purview.api.call import Handle, endpoint
from emulator.purview.api.permissions import check
from emulator.purview.scanning import scanning_responses as scanning
from emulator.purview.service import Purview
from emulator.routing import ignoring_case

ROOTS = ("/datamap/api", "/catalog/api")
ATLAS = "/atlas/v2"
GUID = "/entity/guid/{guid}"
CATEGORY = f"{{category:{'|'.join(['type', *types.CATEGORIES])}}}def"
UNIQUE = "/entity/uniqueAttribute/type/{type}"

# Literal paths come before those with a placeholder in the same place.
ENDPOINTS: tuple[tuple[str, str, Handle], ...] = (
    ("GET", f"{ATLAS}/types/typedefs", types.get_typedefs),
    ("POST", f"{ATLAS}/types/typedefs", types.post_typedefs),
    ("PUT", f"{ATLAS}/types/typedefs", types.put_typedefs),
    ("DELETE", f"{ATLAS}/types/typedefs", types.delete_typedefs),
    ("GET", f"{ATLAS}/types/typedefs/headers", types.get_headers),
    ("DELETE", f"{ATLAS}/types/typedef/name/{{name}}", types.delete_typedef),
    ("GET", f"{ATLAS}/types/{CATEGORY}/name/{{name}}", types.get_typedef),
    ("GET", f"{ATLAS}/types/{CATEGORY}/guid/{{guid}}", types.get_typedef),
    ("POST", f"{ATLAS}/entity", entity.post_entity),
    ("POST", f"{ATLAS}/entity/bulk", entity.post_bulk),
    ("GET", f"{ATLAS}/entity/bulk", entity.get_bulk),
    ("DELETE", f"{ATLAS}/entity/bulk", entity.delete_bulk),
    ("GET", f"{ATLAS}/entity/bulk/uniqueAttribute/type/{{type}}", entity.get_bulk_unique),
    ("GET", f"{ATLAS}{GUID}", entity.get_entity),
    ("PUT", f"{ATLAS}{GUID}", entity.put_attribute),
    ("DELETE", f"{ATLAS}{GUID}", entity.delete_entity),
    ("GET", f"{ATLAS}{GUID}/header", entity.get_header),
    ("POST", f"{ATLAS}{GUID}/labels", entity.post_labels),
    ("PUT", f"{ATLAS}{GUID}/labels", entity.put_labels),
    ("DELETE", f"{ATLAS}{GUID}/labels", entity.delete_labels),
    ("GET", f"{ATLAS}{GUID}/classifications", entity.get_classifications),
    ("POST", f"{ATLAS}{GUID}/classifications", entity.post_classifications),
    ("DELETE", f"{ATLAS}{GUID}/classification/{{name}}", entity.delete_classification),
    ("GET", f"{ATLAS}{UNIQUE}", entity.get_entity),
    ("PUT", f"{ATLAS}{UNIQUE}", entity.put_entity),
    ("DELETE", f"{ATLAS}{UNIQUE}", entity.delete_entity),
    ("GET", f"{ATLAS}{UNIQUE}/header", entity.get_header),
    ("POST", f"{ATLAS}{UNIQUE}/labels", entity.post_labels),
    ("PUT", f"{ATLAS}{UNIQUE}/labels", entity.put_labels),
    ("DELETE", f"{ATLAS}{UNIQUE}/labels", entity.delete_labels),
    ("GET", f"{ATLAS}/lineage/uniqueAttribute/type/{{type}}", graph.get_lineage),
    ("GET", f"{ATLAS}/lineage/{{guid}}", graph.get_lineage),
    ("GET", f"{ATLAS}/lineage/{{guid}}/next", graph.get_next_lineage),
    ("POST", f"{ATLAS}/relationship", graph.post_relationship),
    ("PUT", f"{ATLAS}/relationship", graph.put_relationship),
    ("GET", f"{ATLAS}/relationship/guid/{{guid}}", graph.get_relationship),
    ("DELETE", f"{ATLAS}/relationship/guid/{{guid}}", graph.delete_relationship),
    ("POST", "/search/query", graph.post_search),
)


ACCOUNT_VERSIONS = ("2019-11-01-preview", "2022-10-01-preview", "2023-10-01-preview")
POLICY_VERSIONS = ("2021-07-01-preview", "2021-07-01")
CURRENT_SCANNING = "2023-09-01"
SCANNING_PREVIEWS = ("2018-12-01-preview", "2021-10-01-preview", "2022-02-01-preview", "2022-07-01-preview")
SCANNING_VERSIONS = (*SCANNING_PREVIEWS, CURRENT_SCANNING)
SOURCE = "/scan/datasources/{source}"
SCAN = f"{SOURCE}/scans/{{scan}}"

ADMIN_ENDPOINTS: tuple[tuple[str, str, tuple[str, ...], AdminHandle], ...] = (
    ("GET", "/account/collections", ACCOUNT_VERSIONS, admin.list_collections),
    ("GET", "/account/collections/{name}", ACCOUNT_VERSIONS, admin.get_collection),
    ("PUT", "/account/collections/{name}", ACCOUNT_VERSIONS, admin.put_collection),
    ("GET", "/policystore/metadataRoles", POLICY_VERSIONS, admin.list_roles),
    ("GET", "/policystore/metadataPolicies", POLICY_VERSIONS, admin.list_policies),
    ("GET", "/policystore/metadataPolicies/{policy}", POLICY_VERSIONS, admin.get_policy),
    ("PUT", "/policystore/metadataPolicies/{policy}", POLICY_VERSIONS, admin.put_policy),
    ("GET", "/policystore/collections/{name}/metadataPolicy", POLICY_VERSIONS, admin.get_policy_of_collection),
    ("GET", "/scan/datasources", SCANNING_VERSIONS, scanning.list_sources),
    ("GET", SOURCE, SCANNING_VERSIONS, scanning.get_source),
    ("PUT", SOURCE, SCANNING_VERSIONS, scanning.put_source),
    ("DELETE", SOURCE, SCANNING_VERSIONS, scanning.delete_source),
    ("GET", f"{SOURCE}/scans", SCANNING_VERSIONS, scanning.list_scans),
    ("POST", f"{SCAN}:run", (CURRENT_SCANNING,), scanning.post_run),
    ("GET", SCAN, SCANNING_VERSIONS, scanning.get_scan),
    ("PUT", SCAN, SCANNING_VERSIONS, scanning.put_scan),
    ("GET", f"{SCAN}/runs", SCANNING_VERSIONS, scanning.list_runs),
    ("GET", f"{SCAN}/runs/{{run}}", SCANNING_VERSIONS, scanning.get_run),
    ("PUT", f"{SCAN}/runs/{{run}}", SCANNING_PREVIEWS, scanning.put_run),
)


def purview_routes(current: Callable[[], Purview]) -> list[web.AbstractRouteDef]:
    """Build the routes; ``current`` gives the state at the time of each request."""
    catalog = [
        web.route(method, f"{root}{path}", endpoint(current, path, check, handle))
        for root in ROOTS
        for method, path, handle in ENDPOINTS
    ]
    administration = [
        web.route(method, ignoring_case(path), admin_endpoint(current, versions, handle))
        for method, path, versions, handle in ADMIN_ENDPOINTS
    ]
    return [*catalog, *administration]
