"""Routing controls of Application Recovery Controller (ARC): switches, On or Off, that health checks follow.

Two services of AWS: `route53-recovery-control-config` makes clusters, control panels and routing controls;
`route53-recovery-cluster` reads and flips the switches. What differs from AWS:

- AWS keeps a cluster's states in five Regions of its own, of which three must agree before a flip is acknowledged. Here
  all Regions of the planet hold all states, a flip is acknowledged when the Region that was asked has it on its disk,
  and of two flips the later one wins (by Version). So any one Region that lives is enough to fail over, where AWS needs
  three; but two flips on two sides of a partition both succeed, and a flip is lost with a Region whose disk is lost
  before another had it.
- The control plane is in us-west-2, as on AWS; on a planet without it, where Route 53's is. With that Region down
  nothing can be created; switches go on being read and flipped everywhere.
- PENDING becomes DEPLOYED when more than half of the planet's Regions hold what was written (a guess at what AWS waits
  for).
- Safety rules, resource policies and dual-stack clusters are refused by name.
"""
