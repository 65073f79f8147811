"""HTTP, one module a screen. Each gives a router; numbers of photos stand for paths."""
