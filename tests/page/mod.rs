//! The HTML page in a real browser: what it shows, what is ticked in it, what hostile values do to it.

mod browser;

use browser::Page;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The plan that is part of the repository.
const PLAN: &str = "plans/20261124T103117Z-c7942681.json";

fn driftwarden(arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_driftwarden"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a folder with the plan as `p.json`, changed by `change`.
fn folder_with(change: impl Fn(String) -> String) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join(PLAN);
    let file = folder.path().join("p.json");
    std::fs::write(&file, change(std::fs::read_to_string(plan).unwrap())).unwrap();
    (folder, file)
}

fn page(folder: &Path) -> Page {
    Page::new(driftwarden(&["show", "p.json", "--format", "html"], folder))
}

#[test]
fn what_is_ticked_in_the_page_is_what_approve_takes() {
    let (folder, file) = folder_with(|text| text);
    let Some(found) = page(folder.path()).run(
        "const $ = (id) => document.getElementById(id);
         const shown = () => [...document.querySelectorAll('article:not([hidden])')].map((it) => it.dataset.id);
         const choose = (id, word) => document.querySelector(`article[data-id=\"${id}\"] [data-value=${word}]`).click();
         const input = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('input')); };
         const found = { all: shown().length };
         document.querySelector('.bar[data-value=\"shop.orders\"]').click();
         found.orders = shown();
         $('clear').click();
         input('risk', 'destructive');
         found.destructive = shown();
         $('clear').click();
         input('search', 'doerte');
         found.search = shown();
         $('clear').click();
         $('approve-safe').click();
         choose('shop.customers.contract', 'deny');
         choose('shop.customers.expand', 'deny');
         found.waits = document.querySelector('article[data-id=\"shop.customers.update\"] .waits').textContent;
         choose('shop.customers.expand', 'approve');
         const row = document.querySelector('article[data-id=\"shop.customers.update\"] tbody[data-row=\"2\"] .tick');
         row.click(); row.click();
         input('decision', 'approve');
         found.approved = shown().length;
         $('clear').click();
         $('show-commands').click();
         found.commands = $('output').value;
         $('show-file').click();
         found.file = $('output').value;
         return found;",
    ) else {
        return;
    };
    assert_eq!(found["all"], 10);
    assert_eq!(found["orders"].as_array().unwrap().len(), 4, "{found}");
    assert_eq!(
        found["destructive"],
        json!(["shop.customers.delete", "shop.customers.contract"])
    );
    assert_eq!(found["search"], json!(["shop.customers.insert"]));
    assert!(
        found["waits"]
            .as_str()
            .unwrap()
            .contains("shop.customers.expand")
    );
    assert_eq!(found["approved"], 8);
    let commands = found["commands"].as_str().unwrap();
    let denied = "driftwarden deny p.json 'shop.customers.update#2' shop.customers.contract";
    assert!(commands.lines().any(|line| line == denied), "{commands}");
    assert!(
        commands.contains("driftwarden approve p.json shop."),
        "{commands}"
    );

    std::fs::write(
        folder.path().join("d.json"),
        found["file"].as_str().unwrap(),
    )
    .unwrap();
    driftwarden(&["approve", "p.json", "--from", "d.json"], folder.path());
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for entry in plan["entries"].as_array().unwrap() {
        let expected = match entry["id"].as_str().unwrap() {
            "shop.customers.contract" => "deny",
            "shop.customers.delete" => "pending",
            _ => "approve",
        };
        assert_eq!(entry["decision"], expected, "{}", entry["id"]);
        if entry["id"] == "shop.customers.update" {
            assert_eq!(entry["rows"][1]["decision"], "deny");
        }
    }
}

/// Text that acts wherever it is not escaped: in an element, an attribute, the script, a style, or by its direction.
const HOSTILE: &str = "</script></style></title></td></article>'\"><script>document.documentElement.dataset.pwned=1</script>\
    <img src=x onerror=document.documentElement.dataset.pwned=2><svg onload=document.documentElement.dataset.pwned=3>\
    \u{202e}javascript:document.documentElement.dataset.pwned=4//&lt;b&gt;${1}`{{7*7}}";

/// Puts hostile text into every string of a plan that is not one of its fixed words.
fn poison(value: &mut Value, name: &str) {
    let fixed = [
        "kind",
        "phase",
        "risk",
        "decision",
        "strategy",
        "encoding",
        "values",
        "format_version",
        "row",
    ];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields
                .iter_mut()
                .filter(|(name, _)| !fixed.contains(&name.as_str()) || name.as_str() == "values")
            {
                if name != "values" || value.is_object() {
                    poison(value, name);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, name)),
        Value::String(text) if name != "after_hash" && name != "before_hash" => {
            text.push_str(HOSTILE);
        }
        _ => {}
    }
}

#[test]
fn hostile_values_stay_text() {
    let (folder, _) = folder_with(|text| {
        let mut plan: Value = serde_json::from_str(&text).unwrap();
        poison(&mut plan, "");
        plan.to_string()
    });
    let page = page(folder.path());
    // As it is, and without its policy: the escaping alone must hold as well.
    for page in [page.clone(), page.without_policy()] {
        let Some(dom) = page.dom() else { return };
        assert!(!dom.contains("data-pwned"), "hostile text ran");
        assert_eq!(dom.matches("<article ").count(), 10);
        assert_eq!(dom.matches("<script").count(), 1);
        assert!(!dom.contains("<img") && !dom.contains('\u{202e}'));
        // The page's own script ran: it says what is shown.
        assert!(dom.contains("10 changes"));
    }
}

#[test]
fn the_page_fits_a_phone() {
    let (folder, _) = folder_with(|text| text);
    let Some(found) = page(folder.path()).run_at(
        390,
        "const wide = [...document.querySelectorAll('body *')].filter((it) => it.getBoundingClientRect().right > 391 && !it.closest('.scroll, pre'));
         return {
           width: document.documentElement.scrollWidth,
           wide: wide.map((it) => it.tagName + '.' + it.className).slice(0, 5),
           buttons: [...document.querySelectorAll('.decide')].map((it) => it.getBoundingClientRect().height).filter((it) => it < 24).length,
         };",
    ) else {
        return;
    };
    assert_eq!(found["width"], 390, "{found}");
    assert_eq!(found["wide"], json!([]));
    assert_eq!(found["buttons"], 0, "a finger must hit the buttons");
}

#[test]
fn spaces_are_seen() {
    let (folder, _) = folder_with(|text| {
        text.replace("\"Dörte\"", "\"two  spaces \"")
            .replace("\"Bob\"", "\"B  o\"")
    });
    let Some(found) = page(folder.path()).run(
        "document.querySelectorAll('details').forEach((it) => { it.open = true; });
         return [...document.querySelectorAll('td.add, td.destroy')].map((it) => it.innerText);",
    ) else {
        return;
    };
    // The text as the page lays it out, where several spaces are one unless its style says otherwise.
    let shown = found.as_array().unwrap();
    assert!(shown.contains(&json!("\"two  spaces \"")), "{found}");
    assert!(shown.contains(&json!("\"B  o\"")), "{found}");
}
