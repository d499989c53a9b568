"""AWS STS: who am I, and roles to assume."""
