"""A pooled, TLS-verified requests session, one for each service we talk to."""

import ssl
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

POOL_SIZE = 4
"""Connections kept to one host; a worker rarely has more requests in flight."""


def build_session(
    ca_bundle: str | None = None,
    *,
    size: int = POOL_SIZE,
    observe: Callable[[int, float], None] = lambda status, seconds: None,
) -> requests.Session:
    """
    Build a session that keeps its connections open.

    Args:
        ca_bundle: a PEM file of certificate authorities to trust beside the usual ones.
        size: connections kept to one host.
        observe: called for each request over TLS with the answer's status (0 if there was none) and the seconds taken.
    """
    session = requests.Session()
    session.mount("https://", _PooledAdapter(ca_bundle, size, observe))
    session.mount("http://", HTTPAdapter(pool_maxsize=size, pool_block=True))
    return session


@cache
def _trust(ca_bundle: str | None) -> ssl.SSLContext:
    """Load the authorities once: that takes longer than most requests."""
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(ca_bundle)
    return context


class _PooledAdapter(HTTPAdapter):
    """requests takes either the usual authorities or a file of others; this one takes both."""

    def __init__(self, ca_bundle: str | None, size: int, observe: Callable[[int, float], None]) -> None:
        self._context = _trust(ca_bundle)
        self._observe = observe
        super().__init__(pool_connections=POOL_SIZE, pool_maxsize=size, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        started, status = time.monotonic(), 0
        try:
            response = super().send(request, *args, **kwargs)
            status = response.status_code
            return response
        finally:
            self._observe(status, time.monotonic() - started)
