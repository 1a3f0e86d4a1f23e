//! Writes and reads the rows of large entries as compressed tab-separated text.
