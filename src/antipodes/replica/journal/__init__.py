"""A journal: one order of changes, kept by three sites, of which two are enough."""
