"""What a run consumed and produced, worked out from the records of Azure Machine Learning."""
