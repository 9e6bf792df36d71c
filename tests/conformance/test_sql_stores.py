import pytest

from bodhi.session import count_partitions
from bodhi.session.sql_store import open_store
from bodhi.session.store import CAPABILITIES
from bodhi.testing import Clock, StoreConformance
from bodhi.testing.conformance.kit import new
from support.databases import PARTITIONS


class TestSqlSessionStore(StoreConformance):
    """Bodhi's stores pass the kit on SQLite and PostgreSQL."""

    @pytest.fixture
    def store_and_clock(self, database):
        """A store on an empty database."""
        clock = Clock()
        return open_store(database, clock=clock), clock

    async def test_every_capability_is_declared(self, store):
        """Otherwise the kit would leave out what it checks of that capability."""
        for capability in CAPABILITIES:
            assert isinstance(store, capability)

    async def test_a_chosen_max_age_is_stored(self, store):
        """Otherwise the kit would leave out what it checks of remembered sessions."""
        record = await store.create(new("remembered", chosen_max_age=60))

        assert 60 == (await store.load(record.digest)).chosen_max_age


class TestPartitionedStore(TestSqlSessionStore):
    """The same on PostgreSQL with a session table that is divided by digest."""

    @pytest.fixture
    def store_and_clock(self, partitioned_database):
        """A store on an empty database."""
        clock = Clock()
        return open_store(partitioned_database, clock=clock), clock

    async def test_the_table_is_divided(self, partitioned_database):
        """Otherwise this would test the same as above."""
        assert PARTITIONS == await count_partitions(partitioned_database)
