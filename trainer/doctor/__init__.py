"""What is wrong with this machine, before a run finds out: `python -m trainer.doctor`."""
