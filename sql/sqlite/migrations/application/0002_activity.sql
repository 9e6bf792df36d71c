-- How many of what happened in which minute of the last day, on all nodes together: what the administrator's plots show.
CREATE TABLE bodhi_activity (
    name   TEXT    NOT NULL,
    minute INTEGER NOT NULL, -- its first millisecond
    value  INTEGER NOT NULL,
    PRIMARY KEY (name, minute)
) STRICT;
