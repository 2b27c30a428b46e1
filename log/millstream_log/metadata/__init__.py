"""What topics there are: names, ids, partition counts, configs."""
