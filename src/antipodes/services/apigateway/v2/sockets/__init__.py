"""WebSocket APIs: what they have of their own. Routes, stages and deployments they share with HTTP APIs."""
