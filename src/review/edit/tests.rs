//! The editor's file, written, edited and read back.

use super::write::to_yaml;
use super::*;
use crate::plan::example::plan;

/// Edits the example plan: each pair is what one visit of the editor replaces.
fn edited(changes: &[(&str, &str)]) -> (Plan, Result<Decided>, Vec<Option<usize>>) {
    let mut plan = plan();
    let mut opened = Vec::new();
    let mut open = |path: &Path, line: Option<usize>| {
        let text = std::fs::read_to_string(path).unwrap();
        if let Some((from, to)) = changes.get(opened.len()) {
            assert!(text.contains(from), "{text}");
            std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        }
        opened.push(line);
        Ok(())
    };
    let result = edit(&mut plan, Path::new("plans/p.json"), &mut open);
    (plan, result, opened)
}

#[test]
fn decisions_are_short_to_read_and_write() {
    let mut plan = plan();
    plan.entries[1].rows[1].decision = Some(Decision::Deny);
    insta::assert_snapshot!(to_yaml(&plan, Path::new("plans/p.json")), @r#"
    # plans/p.json: 4 changes. Change the word in front: approve, deny or pending (a, d, p are enough).
    # A line left out keeps its decision. Take the # off a row's line to decide on it alone. Globs do several at
    # once: `- approve: shop.orders.*`. A change that needs its own approval is approved by its line only.

    - pending: shop.users.expand    # alter table, before the rows
    #     ALTER TABLE `shop`.`users` ADD COLUMN `phone` varchar(32) DEFAULT NULL

    - pending: shop.users.update    # update 2 rows
    #- deny: shop.users.update#1  # id = 7, email: "old@x" → "new@x"
    - deny: shop.users.update#2  # id = 9, email: NULL → "Ann \u{1b}[31m"

    - pending: shop.users.insert    # insert 120000 rows
    #- deny: shop.users.insert#1  # id = 100, email = "bo@x", phone = NULL
    #     … 119999 more rows

    - pending: shop.users.contract  # alter table, last, DESTRUCTIVE: drops column `legacy`
    #     ALTER TABLE `shop`.`users` DROP COLUMN `legacy`
    "#);
}

#[test]
fn what_is_written_is_yaml_that_approve_reads() {
    let yaml = to_yaml(&plan(), Path::new("plans/p.json"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.yaml");
    std::fs::write(&path, yaml.replace("#- deny", "- deny")).unwrap();
    let decisions = from_file::read(&path).unwrap();
    assert_eq!(decisions.len(), 4 + 3);
    assert_eq!(decisions[2].1, Decision::Deny);
}

#[test]
fn what_is_changed_is_decided() {
    let (plan, result, _) = edited(&[("- pending: shop.users.expand", "- a: shop.users.expand")]);
    result.unwrap();
    assert_eq!(plan.entries[0].decision, Decision::Approve);
    assert_eq!(plan.count_decided(Decision::Pending), 3);
    let (plan, ..) = edited(&[(
        "#- deny: shop.users.update#2",
        "- deny: shop.users.update#2",
    )]);
    assert_eq!(plan.entries[1].rows[1].decision, Some(Decision::Deny));
    let (plan, ..) = edited(&[("\n- pending: shop.users.expand", "\n- d: shop.users.*\n#")]);
    assert_eq!(plan.count_decided(Decision::Deny), 4);
}

#[test]
fn a_mistake_opens_the_editor_at_its_line_and_loses_nothing() {
    let (plan, result, opened) = edited(&[
        (
            "- pending: shop.users.expand",
            "- approve: shop.users.expand\n- deny: shop.user.update",
        ),
        (
            "#! selector \"shop.user.update\" matches nothing in the plan; did you mean shop.users.update",
            "# fine",
        ),
        ("- deny: shop.user.update", ""),
    ]);
    result.unwrap();
    assert_eq!(plan.entries[0].decision, Decision::Approve);
    assert_eq!(opened.len(), 3);
    // Three lines of comment, an empty one, the entry, the reason: the mistake is on the seventh.
    assert_eq!(opened[1], Some(7));
}

#[test]
fn a_mistake_that_stays_keeps_what_was_typed() {
    let (plan, result, opened) =
        edited(&[("- pending: shop.users.expand", "- yes: shop.users.expand")]);
    let error = result.unwrap_err();
    assert!(
        error.to_string().contains("line 6: \"yes\" is no decision"),
        "{error}"
    );
    assert_eq!((opened.len(), plan.any_decided()), (2, false));
    let remedy = crate::refusal::remedy_of(&error).unwrap().to_owned();
    let kept = remedy.rsplit_once("--from ").unwrap().1;
    let text = std::fs::read_to_string(kept).unwrap();
    assert!(text.contains("- yes: shop.users.expand"), "{text}");
    std::fs::remove_file(kept).unwrap();
}

#[test]
fn an_editor_that_fails_changes_nothing_and_keeps_what_was_typed() {
    let mut plan = plan();
    let mut kept = None;
    let mut open = |path: &Path, _: Option<usize>| {
        std::fs::write(path, "- approve: shop.users.expand\n")?;
        kept = Some(path.to_owned());
        anyhow::bail!("crashed")
    };
    let error = edit(&mut plan, Path::new("p.json"), &mut open).unwrap_err();
    assert!(error.to_string().contains("crashed"));
    assert!(!plan.any_decided());
    let kept = kept.unwrap();
    assert!(kept.exists());
    std::fs::remove_file(kept).unwrap();
}

#[test]
fn lines_are_read_as_they_are_meant() {
    let read = |line: &str| {
        lines::parse(line)
            .map(|found| {
                found.map(|(selector, decision)| format!("{decision:?} {}", selector.text()))
            })
            .map_err(|wrong| wrong.to_string())
    };
    for line in [
        "- approve: a.b.c",
        "a a.b.c # why",
        "  - y : 'a.b.c'",
        "- approved: \"a.b.c\"  # x",
        "a.b.c: approve",
        "\"a.b.c\": approve,".trim_end_matches(','),
    ] {
        assert_eq!(
            read(line).unwrap().as_deref(),
            Some("Approve a.b.c"),
            "{line}"
        );
    }
    assert_eq!(
        read("- deny: a.b.c#12").unwrap().as_deref(),
        Some("Deny a.b.c#12")
    );
    assert_eq!(read("# - deny: a").unwrap(), None);
    assert!(read("- approve:").unwrap_err().contains("about nothing"));
    assert!(read("- approve: a b").unwrap_err().contains("after \"a\""));
    assert!(
        read("- a.b.c: approve")
            .unwrap_err()
            .contains("is no decision")
    );
}

#[test]
fn a_wide_line_says_what_it_passes_by() {
    let mut plan = plan();
    plan.entries[3].needs_own_approval = true;
    let mut open = |path: &Path, _: Option<usize>| {
        std::fs::write(path, "- approve: shop.users.*\n")?;
        Ok(())
    };
    let decided = edit(&mut plan, Path::new("p.json"), &mut open).unwrap();
    assert_eq!(decided.passed_by, ["shop.users.contract"]);
    assert_eq!(plan.entries[3].decision, Decision::Pending);
}

#[test]
fn long_values_are_shown_where_they_differ() {
    let mut plan = plan();
    let long = "x".repeat(60);
    let value = |text: &str| crate::value::Value::Text(text.to_owned());
    plan.entries[1].rows[0].change = [(
        "bio".to_owned(),
        (
            value(&format!("{long}old{long}")),
            value(&format!("{long}new{long}")),
        ),
    )]
    .into();
    let yaml = to_yaml(&plan, Path::new("plans/p.json"));
    assert!(yaml.contains("bio: …xxxxxxxxxxoldxxx"), "{yaml}");
    assert!(yaml.contains("→ …xxxxxxxxxxnewxxx"), "{yaml}");
}
