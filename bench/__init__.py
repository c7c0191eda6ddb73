"""What the service costs beside the bare parts that it stands on; every figure is a ratio measured in one run."""
