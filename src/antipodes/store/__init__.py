"""One Region's durable, ordered key-value store."""
