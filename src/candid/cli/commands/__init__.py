"""The commands, one a file; each imports what it needs in its body."""
