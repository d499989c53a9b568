"""AWS Lambda: functions, versions, aliases, permissions, and the pool of execution environments that runs them."""
