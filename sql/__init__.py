"""The hand-written SQL, one folder a dialect: data, packaged as ``bodhi.sql``."""
