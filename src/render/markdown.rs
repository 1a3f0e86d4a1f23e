//! A plan for a pull request: what is risky first, details folded, within the length of a comment.
//!
//! Must never let a name or value become markup, a mention or a link.

use super::escape::{code, fenced, html, markdown};
use super::{View, text, words};
use crate::plan::{Entry, Risk, Strategy};
use anyhow::Result;
use std::fmt::Write as _;
use std::io::Write;

/// The longest comment that GitHub takes, in characters, less what the last lines take.
const LONGEST: usize = 65_536 - 1_200;

/// The characters after which the table at the top takes no more entries: the details must have room as well.
const TABLE: usize = 30_000;

/// The longest text in a cell of the table, and in a list, in characters.
const CELL: usize = 120;
const SENTENCE: usize = 400;

/// The characters after which nothing more is listed that was not compared.
const LISTS: usize = 45_000;

/// Writes the view.
///
/// # Errors
/// When writing fails.
pub fn plan(view: &View<'_>, out: &mut dyn Write) -> Result<()> {
    let view = &View {
        shared: true,
        color: false,
        ..view.clone()
    };
    let mut page = String::new();
    head(view, &mut page);
    let mut entries = view.entries.clone();
    // Destructive first; the order of execution within.
    entries.sort_by_key(|entry| entry.risk == Risk::Safe);
    table(&entries, &mut page);
    not_compared(view, &mut page);
    let mut length = page.chars().count();
    let mut cut = 0;
    for entry in entries {
        let part = details(view, entry)?;
        let longer = length + part.chars().count();
        if cut > 0 || longer > LONGEST {
            cut += 1;
            continue;
        }
        length = longer;
        page.push_str(&part);
    }
    if cut > 0 {
        let of = view
            .path
            .map_or_else(|| "PLAN".to_owned(), |path| path.display().to_string());
        let _ = writeln!(
            page,
            "\n**Cut here**: the details of {} are not shown (a comment holds 65,536 characters). See them with {}.",
            words::counted(cut, "change"),
            code(&format!("driftwarden show {of}"))
        );
    }
    out.write_all(page.as_bytes())?;
    Ok(())
}

fn head(view: &View<'_>, page: &mut String) {
    let plan = view.plan;
    let (add, change, destroy) = words::totals(plan);
    let _ = writeln!(page, "### Plan {}\n", code(&plan.id));
    if plan.entries.is_empty() {
        let _ = writeln!(page, "**No changes.** Compared: {}.", words::compared(plan));
    } else {
        let destructive = plan
            .entries
            .iter()
            .filter(|it| it.risk == Risk::Destructive);
        let _ = writeln!(
            page,
            "**{} to add, {} to change, {} to destroy**; {} of {} destructive.",
            words::thousands(add),
            words::thousands(change),
            words::thousands(destroy),
            destructive.count(),
            words::counted(plan.entries.len() as u64, "change")
        );
    }
    let databases: Vec<String> = plan
        .scope
        .databases
        .iter()
        .map(|pair| code(&pair.local))
        .collect();
    let _ = writeln!(
        page,
        "\nFrom {} through {} to local {}: {}, made {}.\n",
        markdown(&plan.remote.server),
        code(&plan.remote.ssh),
        markdown(&plan.local.server),
        databases.join(", "),
        markdown(&plan.created_at)
    );
}

fn table(entries: &[&Entry], page: &mut String) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "| | change | what | risk | decision |\n| --- | --- | --- | --- | --- |"
    );
    let mut listed = 0;
    for entry in entries {
        if page.chars().count() > TABLE {
            break;
        }
        listed += 1;
        let own = if entry.needs_own_approval {
            "; **needs its own approval, by its id**"
        } else {
            ""
        };
        let risk = match entry.risk {
            Risk::Safe => format!("safe{own}"),
            Risk::Destructive => {
                let reasons = cut(&entry.reasons.join("; "), CELL);
                format!("**destructive**: {reasons}{own}")
            }
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {risk} | {} |",
            words::mark(entry),
            code(&entry.id),
            words::what(entry),
            words::decision(entry.decision)
        );
    }
    let left = (entries.len() - listed) as u64;
    if left > 0 {
        let _ = writeln!(
            page,
            "\n**Cut here**: {} not listed.",
            words::counted(left, "more change")
        );
    }
    page.push('\n');
}

/// Returns text as prose, cut where it is too long.
fn cut(text: &str, longest: usize) -> String {
    let short: String = text.chars().take(longest).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", markdown(&short))
}

fn not_compared(view: &View<'_>, page: &mut String) {
    let plan = view.plan;
    let partly = [Strategy::Skipped, Strategy::Incremental].map(|strategy| {
        let how = words::strategy(strategy);
        let groups = words::by_reason(plan, strategy).into_iter();
        groups.map(move |(tables, reason)| {
            let names: Vec<String> = tables.iter().map(|name| code(name)).collect();
            format!("- {} ({how}): {}", names.join(", "), cut(&reason, SENTENCE))
        })
    });
    let tables = partly.into_iter().flatten();
    let unsupported = plan.unsupported.iter().map(|it| {
        format!(
            "- {} (unsupported): {}",
            code(&it.object),
            cut(&it.reason, SENTENCE)
        )
    });
    let warnings = plan
        .warnings
        .iter()
        .map(|warning| format!("- **Warning**: {}", cut(warning, SENTENCE)));
    let mut left = 0;
    for line in warnings.chain(unsupported).chain(tables) {
        if left > 0 || page.chars().count() + line.chars().count() > LISTS {
            left += 1;
        } else {
            page.push_str(&line);
            page.push('\n');
        }
    }
    if left > 0 {
        let _ = writeln!(
            page,
            "- **Cut here**: {} not listed.",
            words::counted(left, "more line")
        );
    }
}

fn details(view: &View<'_>, entry: &Entry) -> Result<String> {
    let mut shown = Vec::new();
    text::entry(view, entry, &mut shown)?;
    let shown = String::from_utf8_lossy(&shown).into_owned();
    // The heading's line says again what the summary says; the rest is indented for a terminal. What a diff's colours are for
    // stands at the start of its line.
    let deepest = if entry.kind.is_rows() { 6 } else { 8 };
    let body: Vec<&str> = shown
        .lines()
        .skip(1)
        .map(|line| {
            let indent = line.len() - line.trim_start_matches(' ').len();
            line.get(indent.min(deepest)..).unwrap_or(line)
        })
        .collect();
    Ok(format!(
        "\n<details><summary><code>{}</code> {}</summary>\n\n{}\n</details>\n",
        html(&entry.id).replace('\n', " "),
        words::what(entry),
        fenced(&body.join("\n"), "diff")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan as example;

    fn page(plan: &crate::plan::Plan) -> String {
        let mut out = Vec::new();
        super::plan(&View::new(plan, None), &mut out).unwrap();
        String::from_utf8(out).unwrap().replace(&plan.id, "ID")
    }

    #[test]
    fn the_risky_comes_first() {
        insta::assert_snapshot!(page(&example()), @r#"
        ### Plan `ID`

        **120,000 to add, 3 to change, 0 to destroy**; 1 of 4 changes destructive.

        From MySQL 9.7.4 through `prod-bastion` to local MySQL 9.7.4: `shop`, made 2026-11-24T06:15:00Z.

        | | change | what | risk | decision |
        | --- | --- | --- | --- | --- |
        | `-` | `shop.users.contract` | alter table, contract | **destructive**: drops column \`legacy\` | pending |
        | `~` | `shop.users.expand` | alter table, expand | safe | pending |
        | `~` | `shop.users.update` | update 2 rows | safe | pending |
        | `+` | `shop.users.insert` | insert 120,000 rows | safe | pending |

        - `shop.weird` (unsupported): engine CSV
        - `shop.logs` (skipped): rows not compared: no usable updated\_at; --full-diff shop.logs includes it

        <details><summary><code>shop.users.contract</code> alter table, contract</summary>

        ```diff
        ! drops column `legacy`
        - DROP COLUMN `legacy`
            `id` int NOT NULL
        +   `phone` varchar(32)
          )
        ```

        </details>

        <details><summary><code>shop.users.expand</code> alter table, expand</summary>

        ```diff
        + ADD COLUMN `phone` varchar(32) DEFAULT NULL
            `id` int NOT NULL
        +   `phone` varchar(32)
          )
        ```

        </details>

        <details><summary><code>shop.users.update</code> update 2 rows</summary>

        ```diff
        after shop.users.expand
        ~ #1 id = 7
            email: "old@x" → "new@x"
        ~ #2 id = 9
            email: NULL → "Ann \u{1b}[31m"
        ```

        </details>

        <details><summary><code>shop.users.insert</code> insert 120,000 rows</summary>

        ```diff
        after shop.users.update
        + #1 id = 100, email = "bo@x", phone = NULL
        … 119,999 more rows in payload 0003.tsv.zst (29.0 MiB)
        ```

        </details>
        "#);
    }

    #[test]
    fn long_names_and_long_lists_are_cut_and_say_so() {
        let mut plan = example();
        let long = "|`é".repeat(60);
        for number in 0..300 {
            let mut entry = plan.entries[1].clone();
            entry.id = format!("shop.{number}{long}.update");
            entry.reasons = vec![long.clone()];
            entry.risk = Risk::Destructive;
            plan.entries.push(entry);
            plan.unsupported.push(crate::schema::Unsupported {
                object: format!("shop.{number}{long}"),
                reason: long.clone(),
            });
        }
        let page = page(&plan);
        assert!(page.chars().count() <= 65_536, "{}", page.chars().count());
        assert!(page.contains("more changes not listed") && page.contains("more lines not listed"));
        assert!(page.contains("**Cut here**: the details of "));
    }

    #[test]
    fn a_long_plan_is_cut_and_says_so() {
        let mut plan = example();
        let entry = plan.entries[1].clone();
        for number in 0..400 {
            let mut more = entry.clone();
            more.id = format!("shop.t{number}.update");
            plan.entries.push(more);
        }
        let page = page(&plan);
        assert!(page.chars().count() <= 65_536);
        assert!(page.contains("**Cut here**: the details of "));
        assert_eq!(
            page.matches("<details>").count(),
            page.matches("</details>").count()
        );
    }
}
