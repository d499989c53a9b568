"""AWS Certificate Manager: certificates validated by DNS, signed by the planet's own authority."""
