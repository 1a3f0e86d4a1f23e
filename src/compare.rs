//! Compares one table's rows on both servers, chunk by chunk.
