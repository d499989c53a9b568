"""Route 53: the control plane (operations of one Region) and the pure data plane (zones, policies, health)."""
