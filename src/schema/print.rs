//! Prints the model as SQL.
