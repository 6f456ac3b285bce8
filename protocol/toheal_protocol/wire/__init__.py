"""Layouts on the wire. Spec: docs/protocol/."""
