"""The service: its names and signatures, which other programs call, and its opening and closing."""

import asyncio


async def test_closing_leaves_nothing_running(make_service):
    """Nothing of a closed service goes on behind the program's back: no task, no connection being made."""
    before = asyncio.all_tasks()
    service = await make_service()
    await asyncio.gather(*(service.create({"number": number}) for number in range(5)))

    await service.close()

    assert before == asyncio.all_tasks()
