"""An Azure Machine Learning: ARM, discovery, run history, data, model registry and MLflow."""

from emulator.azure_ml.routes import azure_ml_routes
from emulator.azure_ml.state import AzureML

__all__ = ["AzureML", "azure_ml_routes"]
