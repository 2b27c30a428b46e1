"""What the tests in tests/integration/clients share: their marks, and the types of fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client import Client

MARKS = [
    pytest.mark.integration,
    # Clients leave sockets and tasks behind when a broker goes away under them.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CLIENTS = ("confluent-kafka", "kcat", "aiokafka", "kafka-python", "kafkajs")

GetClient = Callable[[str], Client]  # by its name
MakeTopic = Callable[..., str]  # partitions and configs, with _ for . in their names
