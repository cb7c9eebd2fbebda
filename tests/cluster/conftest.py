"""A cluster for the tests that leave it whole; those that do not make their own."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _possible():
    from cluster import missing
    why = missing()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)
