"""AWS STS, thin: who am I."""
