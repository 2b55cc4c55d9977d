"""What stands in the way of a tunnel, before and after a failure: `pptpctl doctor`.

host.py, probe.py and services.py look at the machine, the server and the bus; examination.py has them look, and the
other modules judge what was seen, purely: a test hands them what a broken machine shows.
"""
