"""AWS CloudFormation: stacks of resources, made only by calling other services."""
