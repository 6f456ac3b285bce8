"""The volunteer's relay: forwards and keeps sealed frames it cannot read, and forgets."""
