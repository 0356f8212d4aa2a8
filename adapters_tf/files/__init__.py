"""Files this package reads and writes: adapters, task embeddings, the dataset's manifest."""
