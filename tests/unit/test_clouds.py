"""The clouds of Azure: each has its own names, in one table that everything reads."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.ai.ml._azure_environments import EndpointURLS, _environments
from azure.identity import AzureAuthorityHosts

from shared.bootstrap import Services
from shared.catalog.assets import url_of_run
from shared.clouds import CHINA, CLOUDS, PUBLIC, US_GOVERNMENT, Cloud
from shared.http.rest import Json, RestClient
from shared.model import Location, WorkspaceId
from shared.places.platforms import place_of
from shared.settings import Settings, StorageAccount

INFRA = Path(__file__).parents[2] / "infra"
each_cloud = pytest.mark.parametrize("cloud", CLOUDS, ids=[cloud.name for cloud in CLOUDS])


@each_cloud
def test_table_agrees_with_the_genuine_sdk(cloud: Cloud) -> None:
    """What azure-ai-ml knows of a cloud."""
    known = _environments[cloud.name]
    assert urlsplit(known[EndpointURLS.RESOURCE_MANAGER_ENDPOINT]).hostname == cloud.arm
    assert known[EndpointURLS.STORAGE_ENDPOINT] == cloud.storage
    hosts = (
        AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
        AzureAuthorityHosts.AZURE_GOVERNMENT,
        AzureAuthorityHosts.AZURE_CHINA,
    )
    assert cloud.authority in hosts


@each_cloud
def test_templates_have_the_names_of_every_cloud(cloud: Cloud) -> None:
    """Bicep's `environment()` knows neither Purview's nor Azure ML's."""
    main, endpoints = ((INFRA / name).read_text() for name in ("main.bicep", "modules/private-endpoints.bicep"))
    assert f"{cloud.name}: '{cloud.purview}'" in main
    for service in (cloud.purview, cloud.machine_learning):
        assert f"'{cloud.private_zone(service)}'" in endpoints.partition(f"{cloud.name}: {{")[2].partition("  }")[0]


@each_cloud
def test_settings_of_a_cloud_lead_to_its_services(cloud: Cloud) -> None:
    """The address of Azure Resource Manager says which cloud it is."""
    settings = settings_of(cloud)
    assert Services(settings).cloud is cloud
    assert settings.storage == StorageAccount(f"https://stlineage.blob.{cloud.storage}")


def settings_of(cloud: Cloud) -> Settings:
    return Settings.from_env(
        {
            "PURVIEW_ENDPOINT": f"https://contoso.{cloud.purview}",
            "LINEAGE_WORKSPACES": "/subscriptions/00000000-0000-0000-0000-000000000000",
            "LINEAGE_STORAGE": "stlineage",
            "LINEAGE_ARM_ENDPOINT": f"https://{cloud.arm}",
        }
    )


@each_cloud
def test_link_to_studio_is_that_of_the_cloud(cloud: Cloud) -> None:
    """A link to the public Studio finds no workspace of another cloud."""

    class Answers(RestClient):
        def __init__(self) -> None:
            pass

        def get(self, url: str, **_: object) -> Json:
            properties = {"discoveryUrl": "https://x/discovery", "workspaceId": "guid"}
            return {"id": urlsplit(url).path, "name": "ws", "properties": properties, "api": "https://x"}

    services = Services(settings_of(cloud))
    services.rest = Answers()
    workspace = services.azure_ml.get_workspace(WorkspaceId("s", "rg", "ws"))
    assert url_of_run(workspace, "train").startswith(f"{cloud.studio}/runs/train?")


@pytest.mark.parametrize("host", [*PUBLIC.power_bi, *US_GOVERNMENT.power_bi, *CHINA.power_bi])
def test_power_bi_of_every_cloud_is_known(host: str) -> None:
    """What follows the id is a page of it."""
    url = f"https://{host}/groups/40000000-0000-0000-0000-000000000000/reports/40000000-0000-0000-0000-000000000001"
    assert place_of(Location(f"{url}/ReportSection")).ref.qualified_name == url
