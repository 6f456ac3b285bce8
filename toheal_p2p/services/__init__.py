"""The trio shells around the core's machines. One task owns one state."""
