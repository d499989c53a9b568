"""Amazon API Gateway: REST APIs (v1), HTTP and WebSocket APIs (v2), and what both share."""
