"""Files in a hostile world: whatever happens, no false byte is kept, and in the end all of it is here."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.network.test_hostile_world import LONGEST_HEAL, POINTS
from tests.network.test_three_people import gather
from tests.support.files import a_file, attach, content_of, is_here, want
from tests.support.world import Person, World
from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.fetch_state import MOST_WINDOW
from toheal_protocol.messages.file_chunks import PIECE_SIZE, chunk_count
from toheal_protocol.messages.file_tree import is_chunk_of
from toheal_protocol.model import MessageId

someone = st.integers(0, 2)
CONTENT = a_file(37 * PIECE_SIZE)
FILES = settings(max_examples=12, stateful_step_count=15, deadline=None)


class FilesInAHostileWorld(RuleBasedStateMachine):
    """Three members, one file, and everything that can go wrong between them but the author's disk."""

    world: World
    people: list[Person]
    mid: MessageId

    @initialize(seed=st.integers(0, 1 << 16), rate=st.sampled_from([50_000, 500_000, 1e9]))
    def begin(self, seed: int, rate: float) -> None:
        self.world, self.people = gather(seed, 3)
        mid = attach(self.people[0], CONTENT)
        assert mid is not None
        self.mid = mid
        self.world.restart_after = 1.0
        self.world.run_until(lambda: all(mid in p.disk.entries for p in self.people), within=60)
        self.world.bandwidth = rate

    @rule(who=someone)
    def tap(self, who: int) -> None:
        self._tap(self.people[who])

    def _tap(self, person: Person) -> None:
        is_wanted = person.circle is not None and self.mid in person.circle.live.fetches
        if person.is_running and not is_wanted:
            want(person, self.mid)

    @rule(who=someone)
    def give_up(self, who: int) -> None:
        self.people[who].feed(files.FetchStopped(self.mid))

    @rule(who=someone)
    def say(self, who: int) -> None:
        self.people[who].say("words go first")

    @rule(seconds=st.sampled_from([0.01, 0.3, 3.0, 45.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run_for(seconds)

    @rule(who=someone, whom=someone)
    def a_link_breaks(self, who: int, whom: int) -> None:
        if who != whom:
            self.world.cut_link(self.people[who], self.people[whom].id)

    @rule(who=someone, point=st.sampled_from(POINTS), steps=st.integers(1, 12))
    def a_process_dies_at_a_boundary(self, who: int, point: str, steps: int) -> None:
        self.people[who].crash_at = (point, self.people[who].steps + steps)

    @rule(who=someone)
    def a_process_is_killed(self, who: int) -> None:
        self.world.kill(self.people[who])
        self.world.run_for(0.5)
        self.world.start(self.people[who])

    @rule(place=st.integers(0, 39))
    def a_reader_serves_a_false_chunk(self, place: int) -> None:
        """The second member's disk, or program, lies from now on."""
        liar = self.people[1]
        kept = liar.disk.chunks.get(liar.disk.attachments[self.mid].file, {})
        if place in kept:
            good = kept[place].sealed
            kept[place] = files.LoadedChunk(place, kept[place].proof, good[:-1] + b"\0")

    @rule(muted=st.booleans())
    def the_author_answers_nothing(self, *, muted: bool) -> None:
        self.world.serves_nothing = {self.people[0].name} if muted else set()

    @invariant()
    def nothing_false_is_kept_and_nothing_grows(self) -> None:
        if not hasattr(self, "mid"):
            return
        reader = self.people[2]
        facts = reader.disk.attachments[self.mid]
        count = chunk_count(facts.size)
        for place, kept in reader.disk.chunks.get(facts.file, {}).items():
            assert is_chunk_of(
                facts.file, kept.sealed, place=place, size=facts.size, count=count, proof=kept.proof
            )
        for person in self.people:
            live = person.circle.live if person.circle is not None else None
            for fetch in live.fetches.values() if live is not None else ():
                assert fetch.under_way.bit_count() <= 2 * MOST_WINDOW
                assert not fetch.under_way & fetch.have
            for serving in live.serving.values() if live is not None else ():
                assert len(serving.waiting) <= MOST_WINDOW

    def teardown(self) -> None:
        if not hasattr(self, "mid"):
            return
        self.world.heal()
        self.world.bandwidth = 1e9
        self.world.serves_nothing = set()
        self.world.run_for(30)
        reader = self.people[2]
        self._tap(reader)
        self.world.run_until(lambda: is_here(reader, self.mid), within=LONGEST_HEAL)
        assert content_of(reader, self.mid) == CONTENT
        assert "unreadable" not in [tell.what for tell in reader.told]


TestFilesInAHostileWorld = FilesInAHostileWorld.TestCase
TestFilesInAHostileWorld.settings = FILES
