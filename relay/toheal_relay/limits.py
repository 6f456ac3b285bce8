"""Every brake of a relay in one place, each with its reason.

Tests and benchmarks evolve a `Limits`; operators get what `limits_for` finds for their machine.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

KILOBYTE: Final = 1024
MEGABYTE: Final = 1024 * 1024

HOUR: Final = 3600.0
DAY: Final = 86400.0

ITEM_COST: Final = 512
"""Bytes an item is charged on top of its frame: its objects take 370 (measured) and the allocator
rounds up, so that a flood of tiny frames fills the budget before it fills the machine."""

CONNECTION_COST: Final = 48 * KILOBYTE
"""Bytes of memory we expect a connection to take when busy (idle: 24 kB, measured)."""

ALLOCATION_COST: Final = 16 * KILOBYTE
"""Bytes of memory we expect an allocation to take: its objects and a task that waits (4 kB, and 1 kB
for each channel, measured), and what the kernel holds for its socket."""

MOST_ALLOCATIONS: Final = 8_000
"""Relayed ports we take at most: a machine has about 28 000 to give, to all its programs."""

RETRY_FULL: Final = 60
"""Seconds after which somebody who met a full relay may try again: long enough to mean it, short
enough that a message is not a minute late for nothing."""


@frozen
class Limits:
    """What a relay gives, in total and to one source (one IP address or IPv6 /64, as a hash)."""

    # Connections.
    connections: int = 8_000
    """At once. Beyond it newcomers are closed at once; those who are in stay."""
    connections_per_source: int = 1_000
    """At once from one source: a mobile operator or a Tor exit hides many people behind one."""
    arrivals_per_second: float = 50.0
    """New connections from one source per second: a TLS handshake costs us about a millisecond."""
    arrivals_burst: float = 500.0
    """New connections from one source at once: everybody comes back after a restart."""
    half_open: float = 5.0
    """Seconds from TCP to the end of the WebSocket handshake: ten round trips of a bad line."""
    idle_ping: float = 60.0
    """Seconds of silence after which we ping: below what NATs and mobile networks forget."""
    idle_cut: float = 120.0
    """Seconds of silence after which nobody is there."""
    sweep_every: float = 5.0
    """Seconds between two looks at what is over and who is silent."""
    send_buffer: int = 64 * KILOBYTE
    """Bytes the kernel may hold for one client (it doubles them): left alone, it would hold 4 MB for
    each of thousands who do not read."""
    write_deadline: float = 30.0
    """Seconds in which a batch of at most 64 kB has to be taken: 2 kB/s is slow but somebody."""
    reply_queue: int = 256 * KILOBYTE
    """Bytes of replies that may wait for a client who sends and does not read."""

    # Mailboxes.
    mailboxes: int = 200_000
    """Registered at once: 450 bytes each, 1.2 kB when watched (measured)."""
    mailboxes_per_source: int = 20_000
    """Registered from one source: forty people with sixty senders and eight epochs each."""
    registration_signal: float = 36 * HOUR
    """Seconds a signal mailbox is kept after it was last watched: four epochs of six hours, and half."""
    registration_mail: float = 42 * DAY
    """Seconds a mail mailbox is kept after it was last watched: four epochs of a week, and two."""

    # What lies in them.
    bytes_total: int = 256 * MEGABYTE
    """All frames in registered mailboxes with their cost."""
    bytes_per_source: int = 64 * MEGABYTE
    """Frames from one source: a quarter, so that four fillers are needed before anybody is evicted."""
    bytes_per_mailbox: int = 8 * MEGABYTE
    """Frames in one mailbox (one sender, one week): four thousand ordinary messages."""
    items_per_mailbox: int = 4_096
    """The same as a count, for the time a reader needs to take them."""

    # Deposits for mailboxes that nobody registered.
    stray_bytes_total: int = 32 * MEGABYTE
    """An eighth beside the others: strangers can fill this and nothing else."""
    stray_bytes_per_source: int = 4 * MEGABYTE
    """From one source: an eighth of it."""
    strays_per_address: int = 64
    """Frames that may wait for one reader to come after a restart of ours."""
    stray_life: float = 24 * HOUR
    """Seconds they wait."""

    # Pace. A connection that is too fast is not read for a while; a source that is too fast is
    # refused.
    commands_per_second: float = 200.0
    """Per connection: ten times what a lively circle of twenty-four needs."""
    commands_burst: float = 2_000.0
    """Per connection at once: a morning's deposits of somebody who was offline."""
    bytes_per_second: float = 2.0 * MEGABYTE
    """Per connection, of commands."""
    bytes_burst: float = 16.0 * MEGABYTE
    """Per connection at once."""
    source_factor: float = 16.0
    """A source may be as fast as so many connections."""

    # STUN.
    short_stun_per_second: float = 5.0
    """Answers per source to Binding requests shorter than their answer (at most 1.36 times on the
    wire): enough for people, nothing for an attack on the source."""
    short_stun_burst: float = 50.0
    """Of these at once: a household behind one address that starts."""
    stun_per_second: float = 100.0
    """Answers per source in all."""
    stun_burst: float = 500.0
    """Answers per source at once."""

    # TURN.
    grants_per_second: float = 1.0
    """Credentials handed out per source: they last an hour and serve all links of a client."""
    grants_burst: float = 100.0
    """Of these at once: everybody behind one address comes back after a restart."""
    allocations: int = 2_000
    """Relayed ports at once, one file descriptor each."""
    allocations_per_source: int = 300
    """From one source: four people in circles of twenty-four, with three tries per link."""
    allocations_per_name: int = 100
    """With one set of credentials: one person in such a circle, and some to spare."""
    peers_per_allocation: int = 32
    """Addresses, and channels, of one allocation: a link has one peer with a few addresses."""
    relayed_per_second: float = 2.0 * MEGABYTE
    """Bytes relayed for one source per second, both ways: sixteen Mbit/s."""
    relayed_burst: float = 32.0 * MEGABYTE
    """Of these at once: a picture or a history, as fast as the line goes."""
    relayed_total_per_second: float = 50.0 * MEGABYTE
    """Bytes relayed for everybody per second: what one core can do for ordinary packets."""
    relayed_total_burst: float = 200.0 * MEGABYTE
    """Of these at once."""
    stranger_packets: int = 20
    """Packets a peer may be sent before it answered with a check of ICE: seven tries of each side,
    twice, and no more that somebody who never asked for them could get."""
    strangers_per_second: float = 20.0
    """Of these per second for one source, whoever they go to."""
    strangers_burst: float = 1_000.0
    """Of these at once: all links of a circle at the same time."""
    turn_patience: float = 30.0
    """Seconds somebody who came over TCP or TLS is kept without an allocation."""
    turn_queue: int = 256 * KILOBYTE
    """Bytes that wait for a client over TCP or TLS; packets beyond it are lost, as with UDP."""

    # What we keep about sources.
    sources: int = 50_000
    """Sources we keep paces for at once, about 500 bytes each; beyond it the slate is wiped."""


def limits_for(*, memory: int, descriptors: int, base: Limits | None = None) -> Limits:
    """Fit the limits to a machine: a quarter of its memory for mail, a quarter for connections.

    Args:
        memory: bytes this process may use.
        descriptors: files and sockets this process may have open.
        base: what to start from.
    """
    limits = base or Limits()
    share = memory // 4
    allocations = min(descriptors // 4, share // ALLOCATION_COST, MOST_ALLOCATIONS)
    allocations = max(allocations, 16)
    connections = min(share // CONNECTION_COST, descriptors - allocations - 64)
    mail = min(share, 8 * 1024 * MEGABYTE)
    return evolve(
        limits,
        connections=max(connections, 16),
        connections_per_source=max(connections // 8, 16),
        allocations=allocations,
        allocations_per_source=min(limits.allocations_per_source, max(allocations // 4, 16)),
        mailboxes=max(mail // 4096, 1_000),
        mailboxes_per_source=max(mail // 40_960, 500),
        bytes_total=mail,
        bytes_per_source=mail // 4,
        bytes_per_mailbox=min(limits.bytes_per_mailbox, mail // 8),
        stray_bytes_total=mail // 8,
        stray_bytes_per_source=mail // 64,
    )
