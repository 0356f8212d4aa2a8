"""One shard, made by one worker: the job, wording, writing, fingerprints."""
