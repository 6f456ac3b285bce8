"""TURN: two members who cannot reach each other meet at the relay, which passes packets on.

Everything in here is pure: what comes in, what goes out, `now` as an argument. Sockets are in
`toheal_relay.server`.

Source: RFC 8656. Spec: docs/protocol/turn.md.
"""
