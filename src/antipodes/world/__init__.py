"""The only door to what the code does not control: time, chance, network, disk and processes."""
