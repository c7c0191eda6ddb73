"""Random requests, well-formed and broken: none is answered with an error of the service's own.

Requests come from the OpenAPI document and from a list of the addresses that it leaves out, with values that other
programs have tripped over, and are then damaged as clients, proxies and attackers damage them. They go over raw
sockets, since no HTTP client sends what is broken. `make fuzz` sends 10,000, `test_fuzz.py` some hundred.
"""
