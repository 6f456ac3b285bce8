"""The relay's network: TLS, WebSocket, STUN, and a private socket for its operator.

Only bytes and time are dealt with here; what is said is decided at the desk.
"""
