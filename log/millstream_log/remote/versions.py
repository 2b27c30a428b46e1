"""Which version of an API is spoken with a broker.

    ours  (schema)   ∩   theirs (ApiVersions)   ∩   what our clients fill   ->  the highest

Invariants: a version is never used whose fields our clients leave empty.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ErrorCode, error_for
from ..wire.messages.api_versions import ApiVersionsResponse
from ..wire.messages.delete_topics import DeleteTopicsRequest
from ..wire.messages.end_txn import EndTxnRequest
from ..wire.messages.fetch import FetchRequest
from ..wire.messages.find_coordinator import FindCoordinatorRequest
from ..wire.messages.init_producer_id import InitProducerIdRequest
from ..wire.messages.list_offsets import ListOffsetsRequest
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_fetch import OffsetFetchRequest
from ..wire.messages.produce import ProduceRequest
from ..wire.messages.txn_offset_commit import TxnOffsetCommitRequest
from ..wire.schema import Api, Versions

FILLED: Mapping[int, Versions] = {
    ProduceRequest.api.key: Versions(3, 11),  # 12: transactions of the second kind
    FetchRequest.api.key: Versions(4, 12),  # 13: topics by id
    ListOffsetsRequest.api.key: Versions(1, 9),  # 10: a time limit of its own
    OffsetCommitRequest.api.key: Versions(1, 8),  # 9: errors of the consumer protocol
    OffsetFetchRequest.api.key: Versions(2, 7),  # 8: many groups
    FindCoordinatorRequest.api.key: Versions(1, 3),  # 4: many keys
    DeleteTopicsRequest.api.key: Versions(6),  # before it: a list of names
    InitProducerIdRequest.api.key: Versions(0, 4),  # 5: transactions of the second kind
    EndTxnRequest.api.key: Versions(0, 3),  # 4: the same
    TxnOffsetCommitRequest.api.key: Versions(0, 3),  # 4: the same
}
"""The versions that our clients fill, of those APIs where they do not fill all."""

_ALL = Versions(0)


class Spoken:
    """The versions that one broker speaks."""

    def __init__(self, answer: ApiVersionsResponse) -> None:
        self._theirs = {
            item.api_key: Versions(item.min_version, item.max_version) for item in answer.api_keys
        }

    def version(self, api: Api) -> int:
        """Return the version to use. Raises UNSUPPORTED_VERSION where there is none."""
        theirs = self._theirs.get(api.key)
        if theirs is None:
            raise error_for(ErrorCode.UNSUPPORTED_VERSION, f"the broker does not know {api.name}")
        filled = FILLED.get(api.key, _ALL)
        first = max(api.versions.first, theirs.first, filled.first)
        last = min(api.versions.last, theirs.last, filled.last)
        if first > last:
            raise error_for(
                ErrorCode.UNSUPPORTED_VERSION,
                f"{api.name}: the broker speaks versions {theirs.first} to {theirs.last}, we "
                f"{max(api.versions.first, filled.first)} to {min(api.versions.last, filled.last)}",
            )
        return last
