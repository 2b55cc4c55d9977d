"""The pure modules, and the small ones at the edge."""
