"""DynamoDB: tables, items, expressions, global tables."""
