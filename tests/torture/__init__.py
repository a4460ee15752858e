"""The torture harness: real processes, killed, paused and lied to, and an audit that believes none of them.

`python -m tests.torture --help`; what it proves and what it cannot is in docs/reliability.md.
"""
