"""What makes cells of networks: models of ours, and those of others in the conventions of their simulators."""
