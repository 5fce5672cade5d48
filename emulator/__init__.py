"""An Azure Machine Learning and a Microsoft Purview on loopback, for the demo, the tests and the benchmarks."""
