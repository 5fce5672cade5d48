"""The services of Azure Machine Learning that are read, one a module."""
