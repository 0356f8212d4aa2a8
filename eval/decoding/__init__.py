"""Token ids from a model, on the device: argmax, greedy decoding, batches over replicas."""
