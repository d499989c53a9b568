"""CloudWatch: metrics of one Region. Alarms and dashboards are refused by name."""
