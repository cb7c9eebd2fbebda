"""Fixtures of all integration tests. tests/lib is on the path."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One real Kafka broker for the tests of a process; a test that kills brokers brings its own."""
    from kafka_broker import KafkaBroker
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running
