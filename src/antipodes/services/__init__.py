"""What each AWS service means. One folder a service; none imports another."""
