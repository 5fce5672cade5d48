"""An Azure Machine Learning: ARM, discovery, run history, data, model registry and MLflow."""

from emulator.azure_ml.content.state import AzureML
from emulator.azure_ml.routes import azure_ml_routes

__all__ = ["AzureML", "azure_ml_routes"]
