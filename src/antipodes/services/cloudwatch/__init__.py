"""CloudWatch: metrics and metric alarms of one Region. Dashboards are refused by name."""
