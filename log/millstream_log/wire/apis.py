"""Every API we have messages for.

Invariants: the request classes stand in order of their keys, each key once.
"""

from __future__ import annotations

from typing import Any

from .messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from .messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from .messages.alter_client_quotas import AlterClientQuotasRequest
from .messages.alter_configs import AlterConfigsRequest
from .messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from .messages.alter_replica_log_dirs import AlterReplicaLogDirsRequest
from .messages.alter_user_scram_credentials import AlterUserScramCredentialsRequest
from .messages.api_versions import ApiVersionsRequest
from .messages.consumer_group_describe import ConsumerGroupDescribeRequest
from .messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from .messages.create_acls import CreateAclsRequest
from .messages.create_partitions import CreatePartitionsRequest
from .messages.create_topics import CreateTopicsRequest
from .messages.delete_acls import DeleteAclsRequest
from .messages.delete_groups import DeleteGroupsRequest
from .messages.delete_records import DeleteRecordsRequest
from .messages.delete_topics import DeleteTopicsRequest
from .messages.describe_acls import DescribeAclsRequest
from .messages.describe_client_quotas import DescribeClientQuotasRequest
from .messages.describe_cluster import DescribeClusterRequest
from .messages.describe_configs import DescribeConfigsRequest
from .messages.describe_groups import DescribeGroupsRequest
from .messages.describe_log_dirs import DescribeLogDirsRequest
from .messages.describe_producers import DescribeProducersRequest
from .messages.describe_topic_partitions import DescribeTopicPartitionsRequest
from .messages.describe_transactions import DescribeTransactionsRequest
from .messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest
from .messages.elect_leaders import ElectLeadersRequest
from .messages.end_txn import EndTxnRequest
from .messages.fetch import FetchRequest
from .messages.find_coordinator import FindCoordinatorRequest
from .messages.heartbeat import HeartbeatRequest
from .messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from .messages.init_producer_id import InitProducerIdRequest
from .messages.join_group import JoinGroupRequest
from .messages.leave_group import LeaveGroupRequest
from .messages.list_config_resources import ListConfigResourcesRequest
from .messages.list_groups import ListGroupsRequest
from .messages.list_offsets import ListOffsetsRequest
from .messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from .messages.list_transactions import ListTransactionsRequest
from .messages.metadata import MetadataRequest
from .messages.offset_commit import OffsetCommitRequest
from .messages.offset_delete import OffsetDeleteRequest
from .messages.offset_fetch import OffsetFetchRequest
from .messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest
from .messages.produce import ProduceRequest
from .messages.sasl_authenticate import SaslAuthenticateRequest
from .messages.sasl_handshake import SaslHandshakeRequest
from .messages.sync_group import SyncGroupRequest
from .messages.txn_offset_commit import TxnOffsetCommitRequest
from .messages.update_features import UpdateFeaturesRequest
from .messages.write_txn_markers import WriteTxnMarkersRequest
from .request import Request

_CLASSES: tuple[type[Request[Any]], ...] = (
    ProduceRequest,
    FetchRequest,
    ListOffsetsRequest,
    MetadataRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    FindCoordinatorRequest,
    JoinGroupRequest,
    HeartbeatRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
    DescribeGroupsRequest,
    ListGroupsRequest,
    SaslHandshakeRequest,
    ApiVersionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DeleteRecordsRequest,
    InitProducerIdRequest,
    OffsetForLeaderEpochRequest,
    AddPartitionsToTxnRequest,
    AddOffsetsToTxnRequest,
    EndTxnRequest,
    WriteTxnMarkersRequest,
    TxnOffsetCommitRequest,
    DescribeAclsRequest,
    CreateAclsRequest,
    DeleteAclsRequest,
    DescribeConfigsRequest,
    AlterConfigsRequest,
    AlterReplicaLogDirsRequest,
    DescribeLogDirsRequest,
    SaslAuthenticateRequest,
    CreatePartitionsRequest,
    DeleteGroupsRequest,
    ElectLeadersRequest,
    IncrementalAlterConfigsRequest,
    AlterPartitionReassignmentsRequest,
    ListPartitionReassignmentsRequest,
    OffsetDeleteRequest,
    DescribeClientQuotasRequest,
    AlterClientQuotasRequest,
    DescribeUserScramCredentialsRequest,
    AlterUserScramCredentialsRequest,
    UpdateFeaturesRequest,
    DescribeClusterRequest,
    DescribeProducersRequest,
    DescribeTransactionsRequest,
    ListTransactionsRequest,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupDescribeRequest,
    ListConfigResourcesRequest,
    DescribeTopicPartitionsRequest,
)

REQUESTS: dict[int, type[Request[Any]]] = {cls.api.key: cls for cls in _CLASSES}
"""The request classes by API key."""
