"""DynamoDB's expression language: parsed once, kept, bound to names and values per request. Pure."""
