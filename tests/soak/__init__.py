"""A day in the life of an installation, compressed: `make soak`. What it shows is in docs/reliability.md."""
