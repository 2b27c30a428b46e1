"""Which member of a consumer group reads which partition: members and counts in, a plan out."""
