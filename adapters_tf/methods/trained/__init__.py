"""Methods that build on adapters trained before, which stay frozen."""
