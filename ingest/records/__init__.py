"""What network runs record: requests, profiles of MiV-Simulator's configurations, and reports of segments and synapses."""
