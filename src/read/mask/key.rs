//! The mask key, and the keys of columns and groups that are made from it.
//!
//! Must never hand out the key itself: a server gets the key of one column at most.

use crate::config::secret::Secret;
use crate::value::to_hex;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The least length of a mask key in bytes.
pub const LEAST_KEY: usize = 16;

/// Bytes that HMAC-SHA-256 works on at once.
const BLOCK: usize = 64;

/// The key that masks are made with.
#[derive(Clone)]
pub struct MaskKey(Secret);

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey([redacted])")
    }
}

impl MaskKey {
    /// Takes a key; `None` where it is too short to be one.
    pub fn new(key: Secret) -> Option<Self> {
        (key.reveal().len() >= LEAST_KEY).then_some(Self(key))
    }

    /// Returns the key of a column, or of a group of columns: 128 bits of HMAC-SHA-256 over its label, as 32 hex digits.
    pub(super) fn of(&self, label: &str) -> String {
        let message = format!("driftwarden mask 1\0{label}");
        let mut digits = to_hex(&hmac(self.0.reveal().as_bytes(), message.as_bytes()));
        digits.truncate(32);
        digits
    }

    /// Returns a mark by which another key is told from this one: 64 bits that say nothing else about it.
    pub fn mark(&self) -> String {
        let mut digits = self.of("mark");
        digits.truncate(16);
        digits
    }
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of RFC 4231 with whole output: short key, key shorter than the message, key longer than a block.
    #[test]
    fn the_standard_s_examples_come_out() {
        let examples: [(&[u8], &[u8], &str); 3] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in examples {
            assert_eq!(to_hex(&hmac(key, message)), expected);
        }
    }

    #[test]
    fn every_label_has_its_own_key_and_the_key_is_never_shown() {
        let key = MaskKey::new(Secret::new("0123456789abcdef")).unwrap();
        assert_ne!(key.of("column\0shop.users.email"), key.of("group\0email"));
        assert_eq!(key.of("a").len(), 32);
        assert!(!format!("{key:?}").contains("0123"));
        assert!(MaskKey::new(Secret::new("too short")).is_none());
        assert_ne!(
            key.mark(),
            MaskKey::new(Secret::new("0123456789abcdeF"))
                .unwrap()
                .mark()
        );
    }
}
