"""Machines: what to do next, decided from a state and an event. Each has its file.

Spec: docs/protocol/.
"""
