"""Where the model runs: strategy, precision, and dropout that resumes exactly."""
