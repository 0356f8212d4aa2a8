"""What becomes of gradients between the tape and the optimizer."""
