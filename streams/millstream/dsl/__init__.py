"""The DSL: the verbs a user writes; each makes nodes and does nothing else."""
