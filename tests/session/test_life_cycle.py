async def test_a_session_is_created_loaded_and_ended(service):
    """The way of a session from its creation to its end."""
    session_id, stored = await service.create({"a": 1})

    assert (await service.load(session_id)).data == {"a": 1}
    assert await service.delete(stored.record.digest)
    assert await service.load(session_id) is None
