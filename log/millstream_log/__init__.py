"""A durable, partitioned log in this process, with producer, consumer and admin.

The log speaks Kafka's formats and words; the clients have aiokafka's shape.
"""

from . import schemes as _schemes  # lets clients open directories and memory:// logs
from .client.admin import Admin, NewTopic
from .client.consumer import Consumer
from .client.listener import ConsumerRebalanceListener
from .client.producer import Producer
from .client.transport import open_transport
from .errors import LogError
from .model import (
    Header,
    OffsetAndMetadata,
    OffsetAndTimestamp,
    Record,
    RecordMetadata,
    TimestampType,
    TopicDescription,
    TopicPartition,
)

__all__ = [
    "Producer",
    "Consumer",
    "ConsumerRebalanceListener",
    "Admin",
    "NewTopic",
    "open_transport",
    "TopicPartition",
    "Record",
    "RecordMetadata",
    "Header",
    "TimestampType",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "TopicDescription",
    "LogError",
]

del _schemes
