"""What runs the jobs of a build: processes of this machine, or a Beam pipeline."""
