"""Fixtures of all integration tests. tests/lib is on the path."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))


def pytest_collection_modifyitems(config, items):
    """Tests that are marked long belong to tests/run.sh --long: elsewhere they are no part of the run."""
    if os.environ.get("FORESET_LONG"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session", autouse=True)
def _token(tmp_path_factory):
    """Roles that tests start without a home of their own share a token that no user's processes know."""
    os.environ["FORESET_TOKEN_FILE"] = str(tmp_path_factory.mktemp("token") / "token")


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One real Kafka broker for the tests of a process; a test that kills brokers brings its own."""
    from kafka_broker import KafkaBroker
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running
