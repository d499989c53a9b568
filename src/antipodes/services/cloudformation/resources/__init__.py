"""One file a resource type (or a family of types that share one). Each has HANDLERS."""
