"""`python -m toheal_relay` is `toheal-relay`."""

from toheal_relay.cli import main

main(prog_name="toheal-relay")
