"""The page: the application in the person's browser, served from this machine to this machine.

Docs: docs/page.md.
"""
