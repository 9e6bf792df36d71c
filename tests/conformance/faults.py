"""The table of mutants: each has a typical fault, and the test of the kit that must catch it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bodhi.database import Database
from bodhi.session.sql_store import SqlSessionStore, open_store
from conformance import faulty_stores as stores


@dataclass(frozen=True)
class Fault:
    """A faulty store: a faulty class (*kind*), or replacements in its SQL (*sql*)."""

    name: str
    caught_by: str
    kind: type[SqlSessionStore] = SqlSessionStore
    sql: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def store(self, database: Database, clock: Callable[[], int]) -> SqlSessionStore:
        """Return bodhi's store for *database* with the fault."""
        statements = dict(database._statements)  # type: ignore[attr-defined]
        for name, replacements in self.sql.items():
            sql = statements[name].sql
            for pattern, replacement in replacements.items():
                sql, found = re.subn(pattern, replacement, sql)
                assert found, f"{name} has no {pattern}"
            statements[name] = replace(statements[name], sql=sql)
        database._statements = statements  # type: ignore[attr-defined]
        bodhis = type(open_store(database))
        bases = (bodhis,) if self.kind is SqlSessionStore else (self.kind, bodhis)
        store: SqlSessionStore = type(self.kind.__name__, bases, {})(database, clock=clock)
        return store


# Parameters stay in use, with their types, as PostgreSQL wants it.
CAST = r"(?:::\w+)?"
ANY_VERSION = {r"AND version = \$2": "AND CAST($2 AS bigint) > 0"}


def whenever(parameter: str) -> dict[str, str]:
    """Return the replacement that makes the expiry condition always true."""
    return {rf"expires_at > now_ms\({re.escape(parameter)}\)": f"now_ms({parameter}) > 0"}


def a_millisecond_longer(parameter: str) -> dict[str, str]:
    """Return the replacement that makes the expiry condition off by one."""
    return {rf"expires_at > now_ms\({re.escape(parameter)}\)": f"expires_at >= now_ms({parameter})"}


UPSERT = {r"AS clock\n": "AS clock WHERE true ON CONFLICT (digest) DO UPDATE SET data = excluded.data\n"}

FAULTS = (
    # Creating and loading
    Fault("create upserts", "test_create_never_overwrites", sql={"create_session": UPSERT}),
    Fault(
        "create looks before it inserts",
        "test_of_creations_at_once_under_one_digest_one_succeeds",
        stores.CreateThatLooksFirst,
        {"create_session": UPSERT},
    ),
    Fault(
        "create encrypts for other times than it stores",
        "test_new_data_is_encrypted_for_the_times_that_are_stored",
        stores.CreateThatSealsForTheTimeouts,
    ),
    Fault("load remembers", "test_a_revoked_session_stays_revoked", stores.LoadThatRemembers),
    Fault(
        "load is off by one",
        "test_load_is_exact_at_the_idle_timeout",
        sql={"load_session": a_millisecond_longer("$2")},
    ),
    # Saving and updating
    Fault("save upserts", "test_a_deleted_session_stays_deleted", stores.SaveThatUpserts),
    Fault(
        "save ignores the version",
        "test_save_with_an_old_version_changes_nothing",
        sql={"save_session": ANY_VERSION},
    ),
    Fault("save ignores the expiry", "test_an_expired_session_stays_expired", sql={"save_session": whenever("$5")}),
    Fault("save is off by one", "test_save_is_exact", sql={"save_session": a_millisecond_longer("$5")}),
    Fault(
        "save forgets the user",
        "test_the_user_follows_the_save",
        sql={"save_session": {r"user_id = \$4": "user_id = coalesce(user_id, CAST(nullif($4, $4) AS text))"}},
    ),
    Fault(
        "save forgets that there is no user any more",
        "test_a_save_without_user_removes_the_user",
        sql={"save_session": {r"user_id = \$4": "user_id = coalesce($4, user_id)"}},
    ),
    Fault(
        "save is a touch",
        "test_save_leaves_the_times_and_the_device",
        sql={"save_session": {r"SET data": "SET last_seen_at = now_ms($5), data"}},
    ),
    Fault(
        "save with ages passes the end",
        "test_a_save_with_ages_never_passes_the_end",
        sql={
            "save_session_ages": {
                r"ends_at = \$6": "ends_at = last_seen_at + CAST($5 AS bigint)",
                rf"(?:min|least)\((last_seen_at \+ \$5{CAST}), \$6{CAST}\)": r"\1 + 0 * CAST($6 AS bigint)",
            }
        },
    ),
    Fault(
        "save leaves the end where it was",
        "test_a_save_with_ages_ends_the_session_when_they_say",
        sql={"save_session_ages": {r"ends_at = \$6,": "ends_at = ends_at,"}},
    ),
    Fault("update does not lock", "test_updates_at_once_lose_nothing", stores.UpdateThatDoesNotLock),
    Fault(
        "update overwrites",
        "test_nobody_else_changes_the_session_within_a_block",
        stores.UpdateThatOverwrites,
    ),
    Fault(
        "update keeps what is empty",
        "test_update_ends_the_session_where_nothing_is_left",
        stores.UpdateThatKeepsTheEmptied,
    ),
    # Rotating
    Fault("rotation deletes first", "test_a_refused_rotation_leaves_the_old_session", stores.RotationThatDeletesFirst),
    Fault(
        "rotation makes what is gone",
        "test_rotation_of_what_is_gone_makes_nothing",
        stores.RotationOfWhatIsGone,
    ),
    Fault("rotation inserts first", "test_rotation_is_never_seen_half_done", stores.RotationThatInsertsFirst),
    Fault(
        "rotation leaves the old row",
        "test_rotation_ends_the_old_digest_at_once",
        stores.RotationThatLeavesTheOldRow,
    ),
    Fault(
        "rotation encrypts for other times than it stores",
        "test_moved_data_is_encrypted_for_the_times_that_are_stored",
        stores.RotationThatSealsForTheOldTimes,
    ),
    Fault("rotation renews", "test_rotation_keeps_the_absolute_end", stores.RotationThatRenews),
    # Choosing
    Fault(
        "create takes nothing for a choice",
        "test_a_choice_is_loaded_as_it_was_created",
        sql={"create_session": {r"\$4, \$5, \$8": "$4, $5, coalesce($8, 0)"}},
    ),
    Fault(
        "save leaves the choice as it was",
        "test_a_save_with_ages_stores_their_choice",
        sql={"save_session_ages": {r"max_age = \$7": "max_age = coalesce(max_age, $7)"}},
    ),
    Fault(
        "rotation keeps a choice",
        "test_a_rotation_stores_its_choice",
        sql={"rotate_session": {r"max_age = \$11": "max_age = coalesce($11, max_age)"}},
    ),
    # Touching
    Fault(
        "touch goes back in time",
        "test_touches_in_the_wrong_order_never_go_back",
        sql={"touch_session": {rf"last_seen_at <= \$2 - \$4{CAST}": "CAST($4 AS bigint) >= 0"}},
    ),
    Fault(
        "touch takes time away",
        "test_touch_with_a_shorter_timeout_takes_nothing_away",
        sql={"touch_session": {r"(?:max|greatest)\(expires_at, (.*)\),?\n": r"\1\n"}},
    ),
    Fault(
        "touch revives",
        "test_touch_does_not_revive_an_expired_session",
        sql={"touch_session": whenever("$5")},
    ),
    Fault(
        "touch passes the absolute timeout",
        "test_touch_never_extends_beyond_the_absolute_end",
        sql={
            "touch_session": {
                rf"(?:min|least)\((\$2{CAST} \+ \$3{CAST}), ends_at\)": r"\1",
                "SET": "SET ends_at = CAST($2 AS bigint) + CAST($3 AS bigint),",
            }
        },
    ),
    Fault(
        "touch is written at every request",
        "test_touch_within_the_interval_is_not_written",
        sql={"touch_session": {rf"last_seen_at <= \$2 - \$4{CAST}": "last_seen_at <= $2 AND CAST($4 AS bigint) >= 0"}},
    ),
    Fault(
        "touch counts from when it is written",
        "test_touch_written_late_counts_from_when_the_session_was_seen",
        sql={"touch_session": {r"SET last_seen_at = \$2": "SET last_seen_at = now_ms($5)"}},
    ),
    Fault(
        "touch makes a version",
        "test_touch_does_not_disturb_a_save",
        sql={"touch_session": {r"SET last": "SET version = version + 1, last"}},
    ),
    # Ending
    Fault("delete counts the expired", "test_delete_is_exact", sql={"delete_session": whenever("$2")}),
    Fault(
        "revoke does not ask whose session it is",
        "test_a_foreign_handle_is_answered_like_an_unknown_one",
        sql={"revoke_session": {rf"\$3{CAST} IS NULL OR user_id = \$3": "CAST($3 AS text) IS NULL OR true"}},
    ),
    Fault(
        "clear stops after a page",
        "test_clear_user_ends_all_sessions_of_the_user",
        stores.ClearOfOnePage,
    ),
    Fault(
        "clear lists first",
        "test_clearing_a_user_catches_sessions_that_rotate_meanwhile",
        stores.ClearOfAList,
    ),
    Fault(
        "clear keeps nothing",
        "test_clear_user_keeps_the_session_that_is_named",
        sql={"clear_user": {r"digest NOT BETWEEN \$2 AND \$3": "(digest NOT BETWEEN $2 AND $3 OR true)"}},
    ),
    Fault(
        "clear counts the expired",
        "test_clearing_a_user_counts_live_sessions_only",
        sql={"clear_user": whenever("$5")},
    ),
    Fault("clear of all stops after a page", "test_clear_all_ends_every_session", stores.ClearOfSome),
    Fault(
        "clear of all counts the expired",
        "test_clearing_all_counts_live_sessions_only",
        sql={"clear_some": whenever("$2")},
    ),
    # Counting and listing
    Fault(
        "a user's count is not filtered",
        "test_a_users_count_leaves_out_others_and_the_expired",
        sql={"count_user": whenever("$2")},
    ),
    Fault("the count is not filtered", "test_the_count_leaves_out_the_expired", sql={"count_sessions": whenever("$1")}),
    Fault(
        "a list shows the expired",
        "test_a_users_list_leaves_out_others_and_the_expired",
        sql={"list_user": whenever("$5")},
    ),
    Fault(
        "a list's pages break between sessions of one millisecond",
        "test_a_users_list_is_complete_where_sessions_began_at_once",
        sql={
            "list_user": {
                rf"\(created_at, digest\) > \(\$2{CAST}, \$3{CAST}\)": (
                    "created_at > $2 AND CAST($3 AS bytea) IS NOT NULL"
                )
            }
        },
    ),
    Fault(
        "a user's page ends one later",
        "test_pages_of_a_users_list_are_the_list",
        sql={"list_user": {r"LIMIT \$4": "LIMIT $4 + 1"}},
    ),
    Fault(
        "a page of all ends one later",
        "test_pages_of_the_list_of_all_are_the_list",
        sql={"list_sessions": {r"LIMIT \$2": "LIMIT $2 + 1"}},
    ),
    Fault(
        "a page of all shows the expired",
        "test_the_list_of_all_leaves_out_the_expired",
        sql={"list_sessions": whenever("$3")},
    ),
    Fault(
        "a list takes pages by number",
        "test_the_list_of_all_holds_while_others_come_and_go",
        stores.ListByOffset,
    ),
    Fault(
        "users are compared without case",
        "test_hostile_names_of_users_are_texts_and_nothing_more",
        sql={"count_user": {r"user_id = \$1": "lower(user_id) = lower($1)"}},
    ),
    Fault(
        "the data of expired sessions is listed",
        "test_the_data_leaves_out_the_expired",
        sql={"list_data": whenever("$3")},
    ),
    Fault(
        "a sample has more than was asked for",
        "test_some_of_the_data_is_the_first_by_digest",
        sql={"sample_data": {r"LIMIT \$1": "LIMIT $1 + 1"}},
    ),
    # Capping
    Fault("create does without the cap", "test_the_oldest_sessions_beyond_the_cap_end", stores.CreateWithoutCap),
    Fault(
        "rotation does without the cap",
        "test_logins_at_once_by_rotation_leave_as_many_as_the_cap",
        stores.RotationWithoutCap,
    ),
    Fault("the cap is made room for", "test_logins_at_once_leave_as_many_as_the_cap", stores.CapThatIsMadeRoomFor),
    Fault("the cap counts the expired", "test_expired_sessions_take_no_place", sql={"trim_user": whenever("$4")}),
    Fault(
        "the cap ends the newest",
        "test_the_oldest_sessions_beyond_the_cap_end",
        sql={"trim_user": {r"ORDER BY created_at DESC": "ORDER BY created_at ASC"}},
    ),
    Fault(
        "the cap ends the login itself",
        "test_a_login_never_ends_itself",
        sql={"trim_user": {r"digest <> \$2": "CAST($2 AS bytea) IS NOT NULL", r"OFFSET (.*) - 1": r"OFFSET \1"}},
    ),
    # Remembering ends
    Fault(
        "ends have no time",
        "test_an_end_is_remembered_with_its_time",
        sql={"recent_end": {r"now_ms\(\$2\) - ended_at AS": "0 * now_ms($2) AS"}},
    ),
    Fault(
        "a rotation is an end like any other",
        "test_a_rotated_session_ended_under_its_old_digest_alone",
        sql={"recent_end": {r", moved\n": ", false AS moved\n"}},
    ),
    Fault("what never was has ended", "test_a_deletion_of_nothing_is_no_end", stores.EndsOfWhatNeverWas),
    # Upkeep
    Fault(
        "rekey overwrites newer data",
        "test_rekey_never_overwrites_newer_data",
        sql={"rekey_session": ANY_VERSION},
    ),
    Fault(
        "rekey makes a version",
        "test_rekey_does_not_disturb_a_save",
        sql={"rekey_session": {r"SET data": "SET version = version + 1, data"}},
    ),
    Fault(
        "set_aside takes what was mended",
        "test_a_row_that_changed_is_not_set_aside",
        sql={"set_aside_session": ANY_VERSION},
    ),
    Fault("set_aside leaves the row", "test_a_row_set_aside_is_no_session", stores.SetAsideThatCopies),
    Fault(
        "who has expired is among the live",
        "test_live_among_tells_who_has_not_ended",
        sql={"live_among": whenever("$2")},
    ),
    Fault("listening ends", "test_listen_goes_on_until_it_is_cancelled", stores.ListenThatEnds),
    Fault("a capability is incomplete", "test_a_capability_is_complete_or_absent", stores.ClearWithoutRevoke),
    Fault(
        "sweep deletes by the coarse index alone",
        "test_sweep_deletes_expired_sessions_only",
        sql={"sweep_sessions": {r"AND expires_at <= now_ms\(\$2\)": ""}},
    ),
    Fault(
        "sweep has no bound",
        "test_sweep_works_in_batches",
        sql={"sweep_sessions": {r"LIMIT \$1": "LIMIT $1 + 100000"}},
    ),
)
