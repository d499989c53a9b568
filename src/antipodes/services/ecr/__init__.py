"""Elastic Container Registry: repositories."""
