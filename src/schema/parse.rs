//! Reads `SHOW CREATE TABLE` into the model.
