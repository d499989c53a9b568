"""PartiQL for DynamoDB: statements translated into the item, query and transaction functions beside it."""
