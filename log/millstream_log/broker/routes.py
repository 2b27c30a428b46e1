"""Which handler answers which request: the one table of all that this broker does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from ..wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ..wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from ..wire.messages.alter_client_quotas import AlterClientQuotasRequest
from ..wire.messages.alter_configs import AlterConfigsRequest
from ..wire.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from ..wire.messages.alter_replica_log_dirs import AlterReplicaLogDirsRequest
from ..wire.messages.alter_user_scram_credentials import AlterUserScramCredentialsRequest
from ..wire.messages.api_versions import ApiVersionsRequest
from ..wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ..wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from ..wire.messages.create_acls import CreateAclsRequest
from ..wire.messages.create_partitions import CreatePartitionsRequest
from ..wire.messages.create_topics import CreateTopicsRequest
from ..wire.messages.delete_acls import DeleteAclsRequest
from ..wire.messages.delete_groups import DeleteGroupsRequest
from ..wire.messages.delete_records import DeleteRecordsRequest
from ..wire.messages.delete_topics import DeleteTopicsRequest
from ..wire.messages.describe_acls import DescribeAclsRequest
from ..wire.messages.describe_client_quotas import DescribeClientQuotasRequest
from ..wire.messages.describe_cluster import DescribeClusterRequest
from ..wire.messages.describe_configs import DescribeConfigsRequest
from ..wire.messages.describe_groups import DescribeGroupsRequest
from ..wire.messages.describe_log_dirs import DescribeLogDirsRequest
from ..wire.messages.describe_producers import DescribeProducersRequest
from ..wire.messages.describe_topic_partitions import DescribeTopicPartitionsRequest
from ..wire.messages.describe_transactions import DescribeTransactionsRequest
from ..wire.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest
from ..wire.messages.elect_leaders import ElectLeadersRequest
from ..wire.messages.end_txn import EndTxnRequest
from ..wire.messages.fetch import FetchRequest
from ..wire.messages.find_coordinator import FindCoordinatorRequest
from ..wire.messages.heartbeat import HeartbeatRequest
from ..wire.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from ..wire.messages.init_producer_id import InitProducerIdRequest
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest
from ..wire.messages.list_config_resources import ListConfigResourcesRequest
from ..wire.messages.list_groups import ListGroupsRequest
from ..wire.messages.list_offsets import ListOffsetsRequest
from ..wire.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from ..wire.messages.list_transactions import ListTransactionsRequest
from ..wire.messages.metadata import MetadataRequest
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_delete import OffsetDeleteRequest
from ..wire.messages.offset_fetch import OffsetFetchRequest
from ..wire.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest
from ..wire.messages.produce import ProduceRequest
from ..wire.messages.sasl_authenticate import SaslAuthenticateRequest
from ..wire.messages.sasl_handshake import SaslHandshakeRequest
from ..wire.messages.sync_group import SyncGroupRequest
from ..wire.messages.txn_offset_commit import TxnOffsetCommitRequest
from ..wire.messages.update_features import UpdateFeaturesRequest
from ..wire.messages.write_txn_markers import WriteTxnMarkersRequest
from .handlers import committed as committed_handlers
from .handlers import configs as configs_handlers
from .handlers import consumer_groups as consumer_groups_handlers
from .handlers import fetch as fetch_handlers
from .handlers import groups as groups_handlers
from .handlers import log_dirs as log_dirs_handlers
from .handlers import markers as markers_handlers
from .handlers import membership as membership_handlers
from .handlers import metadata as metadata_handlers
from .handlers import node as node_handlers
from .handlers import offsets as offsets_handlers
from .handlers import partitions as partitions_handlers
from .handlers import produce as produce_handlers
from .handlers import reassignment as reassignment_handlers
from .handlers import security as security_handlers
from .handlers import topics as topics_handlers
from .handlers import transactions as transactions_handlers
from .host import Host

Handler = Callable[[Host, Any], Coroutine[Any, Any, Any]]

HANDLERS: dict[type, Handler] = {
    ApiVersionsRequest: node_handlers.api_versions,
    ProduceRequest: produce_handlers.produce,
    FetchRequest: fetch_handlers.fetch,
    ListOffsetsRequest: offsets_handlers.list_offsets,
    DeleteRecordsRequest: offsets_handlers.delete_records,
    MetadataRequest: metadata_handlers.metadata,
    CreateTopicsRequest: topics_handlers.create_topics,
    DeleteTopicsRequest: topics_handlers.delete_topics,
    CreatePartitionsRequest: topics_handlers.create_partitions,
    DescribeLogDirsRequest: log_dirs_handlers.describe_log_dirs,
    DescribeConfigsRequest: configs_handlers.describe_configs,
    ListConfigResourcesRequest: configs_handlers.list_config_resources,
    IncrementalAlterConfigsRequest: configs_handlers.incremental_alter_configs,
    FindCoordinatorRequest: groups_handlers.find_coordinator,
    JoinGroupRequest: membership_handlers.join_group,
    SyncGroupRequest: membership_handlers.sync_group,
    HeartbeatRequest: membership_handlers.heartbeat,
    LeaveGroupRequest: membership_handlers.leave_group,
    ConsumerGroupHeartbeatRequest: consumer_groups_handlers.consumer_group_heartbeat,
    ConsumerGroupDescribeRequest: consumer_groups_handlers.consumer_group_describe,
    OffsetCommitRequest: committed_handlers.offset_commit,
    OffsetFetchRequest: committed_handlers.offset_fetch,
    OffsetDeleteRequest: committed_handlers.offset_delete,
    DescribeGroupsRequest: groups_handlers.describe_groups,
    ListGroupsRequest: groups_handlers.list_groups,
    DeleteGroupsRequest: groups_handlers.delete_groups,
    InitProducerIdRequest: transactions_handlers.init_producer_id,
    AddPartitionsToTxnRequest: transactions_handlers.add_partitions_to_txn,
    AddOffsetsToTxnRequest: transactions_handlers.add_offsets_to_txn,
    EndTxnRequest: transactions_handlers.end_txn,
    WriteTxnMarkersRequest: markers_handlers.write_txn_markers,
    TxnOffsetCommitRequest: transactions_handlers.txn_offset_commit,
    DescribeTransactionsRequest: transactions_handlers.describe_transactions,
    ListTransactionsRequest: transactions_handlers.list_transactions,
    DescribeClusterRequest: node_handlers.describe_cluster,
    UpdateFeaturesRequest: node_handlers.update_features,
    SaslHandshakeRequest: node_handlers.sasl_handshake,
    SaslAuthenticateRequest: node_handlers.sasl_authenticate,
    AlterConfigsRequest: configs_handlers.alter_configs,
    DescribeTopicPartitionsRequest: partitions_handlers.describe_topic_partitions,
    OffsetForLeaderEpochRequest: partitions_handlers.offset_for_leader_epoch,
    DescribeProducersRequest: partitions_handlers.describe_producers,
    ElectLeadersRequest: reassignment_handlers.elect_leaders,
    AlterPartitionReassignmentsRequest: reassignment_handlers.alter_partition_reassignments,
    ListPartitionReassignmentsRequest: reassignment_handlers.list_partition_reassignments,
    AlterReplicaLogDirsRequest: reassignment_handlers.alter_replica_log_dirs,
    DescribeAclsRequest: security_handlers.describe_acls,
    CreateAclsRequest: security_handlers.create_acls,
    DeleteAclsRequest: security_handlers.delete_acls,
    DescribeUserScramCredentialsRequest: security_handlers.describe_user_scram_credentials,
    AlterUserScramCredentialsRequest: security_handlers.alter_user_scram_credentials,
    DescribeClientQuotasRequest: security_handlers.describe_client_quotas,
    AlterClientQuotasRequest: security_handlers.alter_client_quotas,
}
