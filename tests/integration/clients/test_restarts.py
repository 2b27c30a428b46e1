"""A broker that is stopped, or killed, and comes back on its port, in the eyes of its clients."""

from __future__ import annotations

import uuid

import pytest
from foreign.client import Client, Writing, until_read
from foreign.confluent import Confluent
from foreign.fixtures import MARKS, MakeTopic
from foreign.flow import Flow

from millstream_log.testing import RunningBroker

pytestmark = MARKS


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_producer_and_member_go_on_after_a_restart(
    served: RunningBroker, make_topic: MakeTopic, client: Client, how: str
) -> None:
    """Twice the broker goes away under both: all that was acknowledged is read, in order, once."""
    topic, group = make_topic(), uuid.uuid4().hex
    member = client.join(served.bootstrap, group, topic)
    flow = Flow(client, served.bootstrap, topic, how=Writing(idempotent=True))
    for end in (getattr(served, how), getattr(served, how), None):
        sent, read = len(flow), len(member.reads)
        flow.until(sent + 10)
        until_read(member, read + 10)
        if end is not None:
            end()
            served.start()
    flow.end()
    until_read(member, len(flow))
    member.leave()

    found = Confluent().read(served.bootstrap, topic, len(flow))
    assert [one.row.value for one in found] == flow.sent
    assert member.reads == [(0, offset) for offset in range(len(flow))]
