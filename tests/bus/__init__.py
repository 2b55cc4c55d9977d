"""The daemon as a process, on a bus and in a network of its own; systemd is a stand-in."""
