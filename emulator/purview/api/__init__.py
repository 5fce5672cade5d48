"""The Atlas v2 API over HTTP: paths, requests, rights and answers."""
