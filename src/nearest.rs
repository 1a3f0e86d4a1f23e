//! "Did you mean": the known name that an unknown one is most like.
//!
//! Must never be used to act on a guess: only to name it.

/// How alike two names must be, from 0 to 1.
const ALIKE: f32 = 0.7;

/// Returns the known name that the found one was most likely meant to be, if one comes close.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            let alike = similar::TextDiff::from_chars(found.clone(), name.to_lowercase()).ratio();
            (name, alike)
        })
        .filter(|(_, alike)| *alike >= ALIKE)
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_what_comes_close_is_named() {
        let known = ["email", "phone", "name"];
        assert_eq!(nearest("Emial", known), Some("email"));
        assert_eq!(nearest("phones", known), Some("phone"));
        assert_eq!(nearest("address", known), None);
        assert_eq!(nearest("", known), None);
    }
}
