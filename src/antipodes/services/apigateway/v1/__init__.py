"""REST APIs: control plane, and the data plane that turns HTTP requests into invocations and calls."""
