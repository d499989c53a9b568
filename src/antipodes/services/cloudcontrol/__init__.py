"""Cloud Control API: what SAM asks of it."""
