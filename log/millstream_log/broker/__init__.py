"""The shell that hosts partitions and coordinators, waits, and answers."""
