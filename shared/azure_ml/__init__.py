"""Azure Machine Learning as the product sees it: URIs, REST, SDK, and the resolver that joins them."""
