"""The administration of a Purview account: collections and who may do what in them."""

from dataclasses import dataclass

from shared.errors import AccessDeniedError, RecordNotFoundError
from shared.http.rest import Json, RestClient

_COLLECTIONS, _POLICIES = "2019-11-01-preview", "2021-07-01"


@dataclass(frozen=True, slots=True)
class Collection:
    """`name` is what the API takes, `friendly_name` what people see; the root collection has no parent."""

    name: str
    friendly_name: str
    parent: str


class PurviewAccount:
    """
    Methods may raise what RestClient raises. Wire shapes: azure-rest-api-specs, Azure.Analytics.Purview.Account
    2019-11-01-preview and MetadataPolicies 2021-07-01.
    """

    def __init__(self, rest: RestClient, endpoint: str) -> None:
        self._rest = rest
        self._endpoint = endpoint

    def list_collections(self) -> list[Collection]:
        url, params = f"{self._endpoint}/account/collections", {"api-version": _COLLECTIONS}
        found: list[Collection] = []
        while url:
            page = self._rest.get(url, params=params)
            found += [
                Collection(
                    str(body["name"]),
                    str(body.get("friendlyName") or body["name"]),
                    str((body.get("parentCollection") or {}).get("referenceName") or ""),
                )
                for body in page.get("value") or []
            ]
            link = str(page.get("nextLink") or "")
            # The token goes where the link points, so a link to elsewhere is not followed.
            url, params = (link if link.startswith(self._endpoint) else ""), {}
        return found

    def get_collection(self, name: str) -> Collection:
        """
        Return a collection by the name the API takes, the root collection for "".

        Raises:
            AccessDeniedError: the caller has no role in any collection, and so sees none.
            RecordNotFoundError: there is none, or the caller has no role in it.
        """
        collections = self.list_collections()
        if not collections:
            raise AccessDeniedError("no collection of this account is visible: a role in one is needed to see it")
        for collection in collections:
            if collection.name == name if name else not collection.parent:
                return collection
        called_so = [collection.name for collection in collections if collection.friendly_name == name]
        hint = f"; the collection that is called so has the name {called_so[0]}" if called_so else ""
        raise RecordNotFoundError(f"no collection {name or 'at the root'} is visible{hint}")

    def get_policy(self, collection: str) -> Json:
        """
        Return the metadata policy of a collection: its roles and who has them.

        Raises:
            AccessDeniedError: the caller may not see it; the list of policies then simply lacks it.
        """
        answer = self._rest.get(
            f"{self._endpoint}/policystore/metadataPolicies",
            params={"collectionName": collection, "api-version": _POLICIES},
        )
        for policy in answer.get("values") or []:
            if policy["properties"]["collection"]["referenceName"] == collection:
                return dict(policy)
        raise AccessDeniedError(f"only a Collection Administrator of {collection} may read who has roles there")

    def put_policy(self, policy: Json) -> None:
        """Replace a policy; Purview refuses one that somebody else has replaced since it was read."""
        self._rest.put(
            f"{self._endpoint}/policystore/metadataPolicies/{policy['id']}", policy, params={"api-version": _POLICIES}
        )
