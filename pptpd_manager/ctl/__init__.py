"""pptpctl: what people use to see, explain and change the tunnels. One module for each command; see arguments.py.

A command's module is imported when the command is given and not before: a look has to be quick.
"""
