"""Weights stacked over tasks, the choice of a task's row, wrappers, and what trains."""
