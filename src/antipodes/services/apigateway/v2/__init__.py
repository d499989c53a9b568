"""HTTP APIs (API Gateway's second API): control plane and data plane. Domain names are shared with REST APIs."""
