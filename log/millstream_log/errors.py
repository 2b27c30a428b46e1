"""Every error the log raises: by whose fault, and by what the caller can do.

Each class carries the Kafka error code it travels under (`code`) and whether the same call
may succeed later without a change (`retriable`). A message states the value and the bound:
``fetch offset 8, log end 5``.

Source: the error table of the Kafka protocol guide.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence


class ErrorCode(enum.IntEnum):
    """Error codes as they stand on the wire."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_FETCH_SIZE = 4
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    MESSAGE_TOO_LARGE = 10
    OFFSET_METADATA_TOO_LARGE = 12
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTION_COORDINATOR_FENCED = 52
    SECURITY_DISABLED = 54
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    LOG_DIR_NOT_FOUND = 57
    UNKNOWN_PRODUCER_ID = 59
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    TOPIC_DELETION_DISABLED = 73
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELECTION_NOT_NEEDED = 84
    NO_REASSIGNMENT_IN_PROGRESS = 85
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    PRODUCER_FENCED = 90
    RESOURCE_NOT_FOUND = 91
    DUPLICATE_RESOURCE = 92
    UNACCEPTABLE_CREDENTIAL = 93
    INVALID_UPDATE_VERSION = 95
    UNKNOWN_TOPIC_ID = 100
    TRANSACTIONAL_ID_NOT_FOUND = 105
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    UNSUPPORTED_ASSIGNOR = 112
    STALE_MEMBER_EPOCH = 113
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    TRANSACTION_ABORTABLE = 120
    INVALID_REGULAR_EXPRESSION = 128


class LogError(Exception):
    """The root of every error the log raises on purpose."""

    code: ErrorCode = ErrorCode.UNKNOWN_SERVER_ERROR
    retriable: bool = False


class CorruptRecordError(LogError):
    """Bytes fail their checksum or break the batch format, on disk or on the way in.

    The message names file, position and offset where they are known.
    """

    code = ErrorCode.CORRUPT_MESSAGE


class StorageError(LogError):
    """The disk refused: full, read-only, out of descriptors, gone. The cause is chained."""

    code = ErrorCode.KAFKA_STORAGE_ERROR
    retriable = True


class LockedError(StorageError):
    """Another process is writing to this directory; the message names it."""

    retriable = False


class ClosedError(LogError):
    """You closed this client or log already, or never started it."""


class ConnectionLostError(LogError):
    """The other side, or the network, went away."""

    code = ErrorCode.NETWORK_EXCEPTION
    retriable = True


class ProtocolError(LogError):
    """A request or response breaks the rules of the protocol."""

    code = ErrorCode.INVALID_REQUEST


class BrokerError(LogError):
    """An answer with an error code that has no class of its own; `code` tells which."""

    def __init__(self, message: str, code: ErrorCode | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
            self.retriable = code in _RETRIABLE


class UnknownTopicOrPartitionError(BrokerError):
    """No such topic, or the topic has no such partition."""

    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    retriable = True


class UnknownTopicIdError(BrokerError):
    """No topic has this id; it may have been deleted, and made again under its name."""

    code = ErrorCode.UNKNOWN_TOPIC_ID
    retriable = True


class NotLeaderOrFollowerError(BrokerError):
    """Another broker leads this partition now; ask for the metadata again."""

    code = ErrorCode.NOT_LEADER_OR_FOLLOWER
    retriable = True


class FencedLeaderEpochError(BrokerError):
    """The asker knows an older leader of this partition than the present one."""

    code = ErrorCode.FENCED_LEADER_EPOCH
    retriable = True


class UnknownLeaderEpochError(BrokerError):
    """The asker knows a newer leader of this partition than this broker does."""

    code = ErrorCode.UNKNOWN_LEADER_EPOCH
    retriable = True


class RequestTimedOutError(BrokerError):
    """The answer did not come within the time the caller allowed."""

    code = ErrorCode.REQUEST_TIMED_OUT
    retriable = True


class OffsetOutOfRangeError(BrokerError):
    """The offset lies before the log start or after the log end."""

    code = ErrorCode.OFFSET_OUT_OF_RANGE


class MessageTooLargeError(BrokerError):
    """A record or batch is larger than `max.message.bytes` of its topic allows."""

    code = ErrorCode.MESSAGE_TOO_LARGE


class InvalidTopicError(BrokerError):
    """The topic's name breaks Kafka's rules for names."""

    code = ErrorCode.INVALID_TOPIC_EXCEPTION


class TopicAlreadyExistsError(BrokerError):
    """A topic of this name exists."""

    code = ErrorCode.TOPIC_ALREADY_EXISTS


class InvalidPartitionsError(BrokerError):
    """The partition count is below one, or not above what the topic has."""

    code = ErrorCode.INVALID_PARTITIONS


class InvalidConfigError(BrokerError):
    """A config has an unknown name or a value outside its range."""

    code = ErrorCode.INVALID_CONFIG


class RecordsRefusedError(BrokerError):
    """A batch is refused for what some of its records are, or for what it is."""

    def __init__(self, message: str, records: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.records = records  # those at fault, by their number in the batch; none: all of it


class InvalidRecordError(RecordsRefusedError):
    """A batch that a producer sent is not one the log may take."""

    code = ErrorCode.INVALID_RECORD


class InvalidTimestampError(RecordsRefusedError):
    """A record's timestamp lies too far from the log's clock."""

    code = ErrorCode.INVALID_TIMESTAMP


class InvalidGroupIdError(BrokerError):
    """The group id is empty or not text."""

    code = ErrorCode.INVALID_GROUP_ID


class GroupIdNotFoundError(BrokerError):
    """No group of this id has committed anything."""

    code = ErrorCode.GROUP_ID_NOT_FOUND


class InvalidRequestError(BrokerError):
    """The request contradicts itself or names an impossible value."""

    code = ErrorCode.INVALID_REQUEST


class InvalidReplicationFactorError(BrokerError):
    """The replication factor is below one, or above the count of brokers."""

    code = ErrorCode.INVALID_REPLICATION_FACTOR


class InvalidReplicaAssignmentError(BrokerError):
    """The replicas that were asked for cannot be had."""

    code = ErrorCode.INVALID_REPLICA_ASSIGNMENT


class PolicyViolationError(BrokerError):
    """The log's owner forbids this, as for a write to a log opened read-only."""

    code = ErrorCode.POLICY_VIOLATION


class OutOfOrderSequenceError(BrokerError):
    """A batch of an idempotent producer skips a sequence number."""

    code = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class InvalidProducerEpochError(BrokerError):
    """A newer producer with the same id has taken over."""

    code = ErrorCode.INVALID_PRODUCER_EPOCH


class IllegalGenerationError(BrokerError):
    """The member speaks of a generation of its group that is not the present one."""

    code = ErrorCode.ILLEGAL_GENERATION


class UnknownMemberIdError(BrokerError):
    """The group has thrown this member out, or never knew it."""

    code = ErrorCode.UNKNOWN_MEMBER_ID


class RebalanceInProgressError(BrokerError):
    """The group is sharing its partitions out anew; the member is to join again first."""

    code = ErrorCode.REBALANCE_IN_PROGRESS


class FencedInstanceIdError(BrokerError):
    """Another member has joined the group with this one's instance id."""

    code = ErrorCode.FENCED_INSTANCE_ID


_RETRIABLE = frozenset(
    {
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.UNSTABLE_OFFSET_COMMIT,
        ErrorCode.UNKNOWN_TOPIC_ID,
    }
)


def _classes(root: type[LogError]) -> dict[ErrorCode, type[LogError]]:
    found: dict[ErrorCode, type[LogError]] = {}
    for child in root.__subclasses__():
        found.update(_classes(child))
        if "code" in child.__dict__:
            found.setdefault(child.code, child)
    return found


_BY_CODE: dict[ErrorCode, type[LogError]] = {
    **_classes(BrokerError),
    ErrorCode.CORRUPT_MESSAGE: CorruptRecordError,
    ErrorCode.KAFKA_STORAGE_ERROR: StorageError,
}


def error_for(code: ErrorCode, message: str) -> LogError:
    """Return the error that stands for `code`, ready to raise."""
    kind = _BY_CODE.get(code)
    if kind is None:
        return BrokerError(f"{message} ({code.name})", code)
    return kind(message)
