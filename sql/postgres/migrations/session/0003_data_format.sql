-- The newest format of encrypted data that new sessions are written in (bodhi/keyring.py); one row.
CREATE TABLE bodhi_session_format (
    written bigint NOT NULL
);

-- Where sessions were kept before, nodes of version 0.1.0 may run, which read format 1 only: then an operator says when
-- there are none any more (`bodhi sessions rekey --newest-format`). The versions of this run are recorded at its end.
INSERT INTO bodhi_session_format (written)
SELECT CASE WHEN count(*) = 0 THEN 2 ELSE 1 END
  FROM bodhi_schema
 WHERE part = 'session';
