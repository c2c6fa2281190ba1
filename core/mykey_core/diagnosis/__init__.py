"""How a hub is: single checks with a state and a code, for `mykey doctor`, the administration page and the probes."""
