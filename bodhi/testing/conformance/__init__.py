"""The promises of every :class:`~bodhi.session.SessionStore` as tests, one base class per promise."""

from bodhi.testing.conformance.capping import Capping
from bodhi.testing.conformance.choosing import Choosing
from bodhi.testing.conformance.creating import Creating
from bodhi.testing.conformance.declaring import Declaring
from bodhi.testing.conformance.ending import Ending
from bodhi.testing.conformance.expiring import Expiring
from bodhi.testing.conformance.listing import Listing
from bodhi.testing.conformance.owning import Owning
from bodhi.testing.conformance.remembering import RememberingEnds
from bodhi.testing.conformance.rotating import Rotating
from bodhi.testing.conformance.saving import Update
from bodhi.testing.conformance.staying_ended import StayingEnded
from bodhi.testing.conformance.touching import Touching
from bodhi.testing.conformance.updating import Updating
from bodhi.testing.conformance.upkeep import Upkeep


class StoreConformance(
    Creating,
    Update,
    StayingEnded,
    RememberingEnds,
    Updating,
    Rotating,
    Touching,
    Expiring,
    Ending,
    Listing,
    Choosing,
    Capping,
    Owning,
    Upkeep,
    Declaring,
):
    """The conformance kit. Derive a test class from it and define one fixture.

    The fixture ``store_and_clock`` returns an empty store and the :class:`~bodhi.testing.Clock` that the store reads::

        class TestMyStore(StoreConformance):
            @pytest.fixture
            async def store_and_clock(self, tmp_path):
                clock = Clock()
                async with MyStore(tmp_path / "sessions", clock=clock) as store:
                    yield store, clock

    The tests never wait for time to pass. Concurrent calls that deadlock fail after ``DEADLINE_SECONDS``.
    """
