"""The task and the examples of batch n, as arithmetic, and their way to the replicas."""
