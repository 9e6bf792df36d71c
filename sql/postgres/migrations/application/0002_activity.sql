-- How many of what happened in which minute of the last day, on all nodes together: what the administrator's plots show.
CREATE TABLE bodhi_activity (
    name   text   NOT NULL,
    minute bigint NOT NULL, -- its first millisecond
    value  bigint NOT NULL,
    PRIMARY KEY (name, minute)
);
