"""Care that needs nobody else: helplines, calming exercises. Pure, offline, without the network."""
