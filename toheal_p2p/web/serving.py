"""Everything that answers for the page. Loaded when somebody knocks, as it loads a lot.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

from toheal_p2p.web.connections import Connections
from toheal_p2p.web.gate import Gate
from toheal_p2p.web.routes import make_app
from toheal_p2p.web.site import Site

__all__ = ["Site", "make_connections"]


def make_connections(site: Site) -> Connections:
    """Return what serves this page: the gate before everything else."""
    return Connections(Gate(make_app(site), site.authority, site.keys), site.on_fault)
