"""All Regions together: start, stop, kill, partition, heal; the front door."""
