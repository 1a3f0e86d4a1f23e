//! Makes hostile text harmless for the place it is printed in.

use std::fmt::Write as _;

/// Returns text for a terminal: control characters (escapes above all) and characters that reorder or hide text are
/// spelled out; newlines and tabs stay.
pub fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\n' | '\t') || !is_hidden(character) {
            out.push(character);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        }
    }
    out
}

/// Returns text for one line of a terminal.
pub fn line(text: &str) -> String {
    terminal(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Returns text for HTML, in an element or a quoted attribute.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in terminal(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Returns text as Markdown inline code: nothing in it is markup, a mention or a link.
pub fn code(text: &str) -> String {
    let text = line(text);
    let mut longest = 0;
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    // In a table a bar ends the cell even inside code, unless it is escaped.
    let text = text.replace('|', "\\|");
    if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// Returns text as a fenced Markdown block of the given language.
pub fn fenced(text: &str, language: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{}\n{fence}\n", terminal(text))
}

/// Returns text as Markdown prose: what could be markup is escaped.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in line(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // A zero-width character keeps a mention from calling anyone.
            '@' => out.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '!' | '~' | '>' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xad | 0x61c
                | 0x180e
                | 0x200b
                | 0x200e
                | 0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0xfeff
                | 0xfff9..=0xfffb
                | 0xe0000..=0xe007f
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_reach_no_terminal() {
        assert_eq!(
            terminal("a\x1b[31m\r\u{202e}b\n\té"),
            "a\\u{1b}[31m\\u{d}\\u{202e}b\n\té"
        );
        assert_eq!(line("a\nb"), "a\\nb");
    }

    #[test]
    fn markup_reaches_no_page() {
        assert_eq!(
            html("<script>'&\"\x1b"),
            "&lt;script&gt;&#39;&amp;&quot;\\u{1b}"
        );
        assert_eq!(code("a`b|c"), "``a`b\\|c``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(
            markdown("@ann [x](y) <b>"),
            "@\u{200b}ann \\[x\\](y) &lt;b\\>"
        );
        assert_eq!(fenced("```\nx", "sql"), "````sql\n```\nx\n````\n");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!terminal(&text).chars().any(|it| it != '\n' && it != '\t' && is_hidden(it)));
            let html = html(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
        }
    }
}
