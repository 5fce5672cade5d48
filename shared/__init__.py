"""The product: Azure Machine Learning events in, lineage in Microsoft Purview out."""
