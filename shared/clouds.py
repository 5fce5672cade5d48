"""The clouds of Azure, by the host of their Azure Resource Manager: what they call their services."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cloud:
    """
    One cloud.

    Attributes:
        name: as azure-ai-ml and the Azure CLI call it.
        arm: the host of Azure Resource Manager, which is the audience of its tokens too.
        arm_before: the older audience that it still takes.
        authority: the host of Entra ID.
        storage: what the names of storage accounts end in.
        machine_learning: what the hosts of private Azure ML workspaces end in.
        studio: Azure ML Studio.
        purview: what the names of Purview accounts end in.
        purview_audience: of the tokens for Purview.
        power_bi: the hosts of Power BI.
    """

    name: str
    arm: str
    arm_before: str
    authority: str
    storage: str
    machine_learning: str
    studio: str
    purview: str
    purview_audience: str
    power_bi: tuple[str, ...]

    @property
    def purview_scope(self) -> str:
        return f"{self.purview_audience}/.default"

    def private_zone(self, service: str) -> str:
        """
        Name the zone in which private endpoints of a service are found.

        >>> US_GOVERNMENT.private_zone(US_GOVERNMENT.purview)
        'privatelink.purview.azure.us'
        """
        return f"privatelink.{service}"


PUBLIC = Cloud(
    name="AzureCloud",
    arm="management.azure.com",
    arm_before="management.core.windows.net",
    authority="login.microsoftonline.com",
    storage="core.windows.net",
    machine_learning="api.azureml.ms",
    studio="https://ml.azure.com",
    purview="purview.azure.com",
    purview_audience="https://purview.azure.net",
    power_bi=("app.powerbi.com",),
)
US_GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    arm="management.usgovcloudapi.net",
    arm_before="management.core.usgovcloudapi.net",
    authority="login.microsoftonline.us",
    storage="core.usgovcloudapi.net",
    machine_learning="api.ml.azure.us",
    studio="https://ml.azure.us",
    purview="purview.azure.us",
    purview_audience="https://purview.azure.us",
    power_bi=("app.powerbigov.us", "app.high.powerbigov.us", "app.mil.powerbigov.us"),
)
CHINA = Cloud(
    name="AzureChinaCloud",
    arm="management.chinacloudapi.cn",
    arm_before="management.core.chinacloudapi.cn",
    authority="login.chinacloudapi.cn",
    storage="core.chinacloudapi.cn",
    machine_learning="api.ml.azure.cn",
    studio="https://studio.ml.azure.cn",
    purview="purview.azure.cn",
    purview_audience="https://purview.azure.cn",
    power_bi=("app.powerbi.cn",),
)
CLOUDS = (PUBLIC, US_GOVERNMENT, CHINA)
"""
Sources: azure-ai-ml 1.35.2 `_azure_environments.py` and azure-identity `AzureAuthorityHosts` (ARM, storage,
authorities); azure-docs, private-endpoint-dns (zones of Purview, Azure ML and storage); azure-docs, machine-learning,
how-to-access-azureml-behind-firewall (Studio); Power BI for US Government and in China (hosts). That tokens for Purview
outside of the public cloud are for the domain of its accounts is what public clients send; it is not documented.
"""
BY_ARM_ENDPOINT = {f"https://{cloud.arm}": cloud for cloud in CLOUDS}
"""Any other address, such as the emulator's, is taken for the public cloud's."""
POWER_BI_HOSTS = frozenset(host for cloud in CLOUDS for host in cloud.power_bi)


def cloud_of_purview(domain: str) -> Cloud | None:
    """Return the cloud in which the names of Purview accounts end so; None if there is none."""
    return next((cloud for cloud in CLOUDS if cloud.purview == domain.casefold()), None)
