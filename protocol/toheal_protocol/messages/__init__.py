"""What peers tell each other: frames, notes, operations, bodies and invitations."""
