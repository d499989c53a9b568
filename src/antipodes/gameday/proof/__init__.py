"""The proof that global tables converge: workloads under drawn faults, and laws that what they leave must obey."""
