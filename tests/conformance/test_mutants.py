import inspect

import pytest

from bodhi.testing import Clock, StoreConformance
from conformance.faults import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_kit_catches_each_faulty_store(fault: Fault, database):
    """The promise that the fault breaks fails, and it fails by what it compares."""
    clock = Clock()
    capabilities = ("user_sessions", "all_sessions", "reencryption", "notification", "quarantine", "recent_ends")
    given = dict.fromkeys(("store", *capabilities), fault.store(database, clock)) | {"clock": clock}
    promise = getattr(StoreConformance(), fault.caught_by)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(**{name: given[name] for name in inspect.signature(promise).parameters})


def test_fault_names_are_unique():
    """A report names the fault."""
    assert len(FAULTS) == len({fault.name for fault in FAULTS})
