"""The Velocity Template Language as API Gateway's mapping templates speak it: parsed once, rendered often. Pure.

Own code, because the one library there is (airspeed) reaches into Python objects by name (`$x.__class__`), lacks bounds
and half of the methods that templates written for AWS call.
"""
