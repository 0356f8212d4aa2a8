"""The model with its tasks: the forward pass, and the decoder's step with its caches."""
