//! MySQL's tab-separated text, as `LOAD DATA` reads it by default: `\t` between fields, `\n` after a row, `\N` for
//! NULL, and `\\ \t \n \r \0` inside values.
//!
//! Pure. Must never let a value's bytes look like a separator, and must never guess at an escape it did not write.

use crate::value::Cell;

/// Writes one row, with its newline.
#[cfg(test)]
pub(super) fn write<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = Option<&'a [u8]>>) {
    let mut line = Line::begin(out);
    for cell in cells {
        line.field(cell);
    }
    line.end();
}

/// A row that is being written.
pub(super) struct Line<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> Line<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            is_first: true,
        }
    }

    /// Writes a field; `None` for NULL.
    pub(super) fn field(&mut self, cell: Option<&[u8]>) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b'\t');
        }
        let Some(bytes) = cell else {
            self.out.extend_from_slice(b"\\N");
            return;
        };
        // Most values need no escape, which this can tell of many bytes at once: it looks at all of them.
        let escapes = bytes.iter().fold(0, |found, byte| {
            found | u8::from(*byte < b' ' || *byte == b'\\')
        });
        let mut rest = bytes;
        while escapes != 0
            && let Some(place) = rest
                .iter()
                .position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r' | 0))
        {
            self.out.extend_from_slice(&rest[..place]);
            self.out.extend_from_slice(match rest[place] {
                b'\\' => b"\\\\",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                _ => b"\\0",
            });
            rest = &rest[place + 1..];
        }
        self.out.extend_from_slice(rest);
    }

    pub(super) fn end(self) {
        self.out.push(b'\n');
    }
}

/// Reads one row, without its newline; `None` where it is not what [`write`] writes.
pub(super) fn read(line: &[u8]) -> Option<Vec<Cell>> {
    line.split(|byte| *byte == b'\t').map(field).collect()
}

fn field(text: &[u8]) -> Option<Cell> {
    if text == b"\\N" {
        return Some(None);
    }
    if !text.contains(&b'\\') {
        return Some(Some(text.to_vec()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        bytes.extend_from_slice(&rest[..place]);
        bytes.push(match rest.get(place + 1)? {
            b'\\' => b'\\',
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'0' => 0,
            _ => return None,
        });
        rest = &rest[place + 2..];
    }
    bytes.extend_from_slice(rest);
    Some(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_row_comes_back(
            row in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(
                    prop_oneof![any::<u8>(), Just(b'\\'), Just(b'N'), Just(b'\t'), Just(b'\n')],
                    0..12,
                )),
                1..6,
            ),
        ) {
            let mut text = Vec::new();
            write(&mut text, row.iter().map(Option::as_deref));
            prop_assert_eq!(text.pop(), Some(b'\n'));
            prop_assert!(!text.contains(&b'\n'));
            prop_assert_eq!(read(&text), Some(row));
        }
    }

    #[test]
    fn the_text_is_what_load_data_reads() {
        let mut text = Vec::new();
        write(
            &mut text,
            [None, Some(&b"\\N"[..]), Some(b"a\tb\nc\\"), Some(b"")],
        );
        assert_eq!(text, b"\\N\t\\\\N\ta\\tb\\nc\\\\\t\n");
        assert_eq!(read(b"a\\x"), None);
        assert_eq!(read(b"a\\"), None);
    }
}
