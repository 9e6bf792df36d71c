-- Hash partitions of the sessions by digest, for tables whose vacuum takes too long (docs/how-to/plan-capacity.md). A
-- database with the setting bodhi.session_partitions gets them here if it has no sessions yet; `bodhi db partition` makes
-- them while requests go on. Version 0.1.0 runs on this schema without partitions, and must not run on one with them: it
-- deletes expired rows by ctid alone, which would find live rows of other partitions.

-- Makes the empty table bodhi_session_next, divided (or, with 1, not), and has it follow all changes of bodhi_session.
CREATE FUNCTION bodhi_begin_partitions(partitions integer) RETURNS oid
    LANGUAGE plpgsql AS $body$
DECLARE
    old     regclass := 'bodhi_session';
    leaf    oid      := coalesce((SELECT min(inhrelid) FROM pg_inherits WHERE inhparent = old), old);
    options text     := (SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = leaf);
    copied  text     := 'CREATE TABLE bodhi_session_next (LIKE bodhi_session INCLUDING ALL EXCLUDING INDEXES)';
    item    record;
BEGIN
    IF (SELECT max(written) < 2 FROM bodhi_session_format) THEN
        RAISE feature_not_supported USING MESSAGE =
            'nodes of version 0.1.0 may run: first `python -m bodhi sessions rekey --newest-format`';
    END IF;
    EXECUTE (SELECT format('SET LOCAL ROLE %I', pg_get_userbyid(relowner)) FROM pg_class WHERE oid = old);
    PERFORM bodhi_abandon_partitions();
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = old AND NOT tgisinternal)
    OR EXISTS (SELECT FROM pg_policy WHERE polrelid = old) THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE =
            'bodhi_session has triggers or policies of its owner, which a new table would lack: drop them first';
    END IF;
    IF partitions = 1 THEN
        EXECUTE format('%s WITH (%s)', copied, options);
    ELSE
        EXECUTE copied || ' PARTITION BY HASH (digest)';
        FOR remainder IN 0 .. partitions - 1 LOOP
            EXECUTE format(
                'CREATE TABLE bodhi_session_%s_%s PARTITION OF bodhi_session_next FOR VALUES WITH (MODULUS %1$s, REMAINDER %2$s) WITH (%s)',
                partitions, remainder, options
            );
        END LOOP;
    END IF;
    FOR item IN SELECT relname, indisprimary, pg_get_indexdef(indexrelid) AS definition
                  FROM pg_index
                  JOIN pg_class ON pg_class.oid = indexrelid
                 WHERE indrelid = old
    LOOP
        EXECUTE CASE
            WHEN item.indisprimary
            THEN format('ALTER TABLE bodhi_session_next ADD CONSTRAINT %I PRIMARY KEY (digest)', item.relname || '_next')
            ELSE format('CREATE INDEX %I ON bodhi_session_next %s', item.relname || '_next', substring(item.definition FROM ' USING .*'))
        END;
    END LOOP;
    -- The same privileges, whatever the defaults for new tables are; partitions need none of their own.
    FOR item IN SELECT pg_class.oid::regclass AS name, quote_ident(pg_get_userbyid(grantee)) AS grantee
                  FROM pg_class
                 CROSS JOIN aclexplode(relacl)
                 WHERE (pg_class.oid = 'bodhi_session_next'::regclass
                        OR pg_class.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'bodhi_session_next'::regclass))
                   AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', item.name, item.grantee);
    END LOOP;
    FOR item IN SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee,
                       CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS suffix
                  FROM pg_class
                 CROSS JOIN aclexplode(relacl)
                 WHERE pg_class.oid = old
    LOOP
        EXECUTE format('GRANT %s ON bodhi_session_next TO %s%s', item.privilege_type, item.grantee, item.suffix);
    END LOOP;
    CREATE TRIGGER bodhi_follow_session
        AFTER INSERT OR UPDATE OR DELETE ON bodhi_session
        FOR EACH ROW EXECUTE FUNCTION bodhi_follow_session();
    RETURN 'bodhi_session_next'::regclass::oid;
END
$body$;

-- As the owner: the server need have no rights on the new table.
CREATE FUNCTION bodhi_follow_session() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $body$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM bodhi_session_next
         WHERE digest = OLD.digest;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO bodhi_session_next (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age)
        VALUES (NEW.digest, NEW.data, NEW.user_id, NEW.version, NEW.created_at, NEW.last_seen_at, NEW.expires_at, NEW.ends_at, NEW.ip,
                NEW.user_agent, NEW.max_age);
    END IF;
    RETURN NULL;
END
$body$;

-- Copies a page of sessions. It locks them, so that what changes or ends meanwhile does so after it was copied, in both tables.
CREATE FUNCTION bodhi_copy_partitions(beyond bytea, batch bigint, OUT reached bytea, OUT copied bigint)
    LANGUAGE plpgsql AS $body$
BEGIN
    SELECT digest
      INTO reached
      FROM (SELECT digest FROM bodhi_session WHERE digest > beyond ORDER BY digest LIMIT batch) AS page
     ORDER BY digest DESC
     LIMIT 1;
    INSERT INTO bodhi_session_next (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age)
    SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age
      FROM bodhi_session
     WHERE digest > beyond
       AND digest <= reached
     ORDER BY digest
       FOR SHARE
        ON CONFLICT (digest) DO NOTHING;
    GET DIAGNOSTICS copied = ROW_COUNT;
END
$body$;

-- By how many sessions the two tables differ, at one moment.
CREATE FUNCTION bodhi_compare_partitions() RETURNS bigint
    LANGUAGE plpgsql AS $body$
BEGIN
    ANALYZE bodhi_session_next;
    RETURN (SELECT count(*) FROM bodhi_session) - (SELECT count(*) FROM bodhi_session_next);
END
$body$;

-- Puts the table that bodhi_begin_partitions returned in the place of bodhi_session.
CREATE FUNCTION bodhi_end_partitions(next oid) RETURNS void
    LANGUAGE plpgsql AS $body$
DECLARE
    item record;
BEGIN
    IF next = 'bodhi_session'::regclass THEN  -- by an attempt whose answer was lost
        RETURN;
    END IF;
    LOCK TABLE bodhi_session IN ACCESS EXCLUSIVE MODE;
    IF next IS DISTINCT FROM to_regclass('bodhi_session_next')::oid THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'another `bodhi db partition` began meanwhile';
    ELSIF (SELECT count(*) FROM pg_attribute WHERE attrelid = 'bodhi_session'::regclass AND attnum > 0 AND NOT attisdropped)
       <> (SELECT count(*) FROM pg_attribute WHERE attrelid = next AND attnum > 0 AND NOT attisdropped) THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'the schema was migrated meanwhile: begin anew';
    END IF;
    EXECUTE (SELECT format('SET LOCAL ROLE %I', pg_get_userbyid(relowner)) FROM pg_class WHERE oid = next);
    DROP TABLE bodhi_session;
    ALTER TABLE bodhi_session_next RENAME TO bodhi_session;
    FOR item IN SELECT relname
                  FROM pg_index
                  JOIN pg_class ON pg_class.oid = indexrelid
                 WHERE indrelid = next
    LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', item.relname, left(item.relname, -length('_next')));
    END LOOP;
END
$body$;

CREATE FUNCTION bodhi_abandon_partitions() RETURNS void
    LANGUAGE plpgsql AS $body$
BEGIN
    IF to_regclass('bodhi_session_next') IS NOT NULL THEN
        DROP TRIGGER bodhi_follow_session ON bodhi_session;
        DROP TABLE bodhi_session_next;
    END IF;
END
$body$;

DO $body$
DECLARE
    partitions integer := nullif(current_setting('bodhi.session_partitions', true), '');
BEGIN
    IF partitions > 1 AND (SELECT max(written) >= 2 FROM bodhi_session_format) AND NOT EXISTS (SELECT FROM bodhi_session) THEN
        PERFORM bodhi_end_partitions(bodhi_begin_partitions(partitions));
    END IF;
END
$body$;
