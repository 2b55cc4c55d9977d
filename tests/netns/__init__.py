"""The edges that meet the kernel, each test in a network namespace of its own."""
