//! The picture of where the changes are, and what narrows the list down.

use super::html;
use super::{View, words};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The width of a bar, in units of its own picture.
const BAR: u64 = 1_000;

/// Tables in the picture; there is a list of all of them to choose from.
const SHOWN: usize = 24;

/// How much is created, changed and destroyed.
type Counts = [u64; 3];

/// Draws how much is created, changed and destroyed: per object, the largest first, and per kind.
pub(super) fn overview(view: &View<'_>, page: &mut String) {
    let mut objects: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, Counts> = BTreeMap::new();
    for entry in &view.entries {
        let slot = match words::mark(entry) {
            '+' => 0,
            '~' => 1,
            _ => 2,
        };
        let count = entry.count.unwrap_or(1);
        objects.entry(&entry.object).or_default()[slot] += count;
        kinds.entry(words::kind_words(entry.kind)).or_default()[slot] += count;
    }
    if objects.is_empty() {
        return;
    }
    page.push_str("<details open class=\"card overview\"><summary>Where the changes are</summary>\n<div class=\"charts\">\n");
    chart("By table or object", "object", objects, page);
    chart("By kind of change", "kind", kinds, page);
    page.push_str("</div>\n<p class=\"legend\"><span class=\"add\">■ added</span> <span class=\"change\">■ changed</span> \
                   <span class=\"destroy\">■ destroyed</span> · bars grow with the logarithm · tap one to see only its changes</p>\n</details>\n");
}

fn chart(title: &str, filter: &str, counts: BTreeMap<&str, Counts>, page: &mut String) {
    let total = |counts: &Counts| counts.iter().sum::<u64>();
    let largest = counts.values().map(total).max().unwrap_or(1).max(1);
    let mut bars: Vec<(&str, Counts)> = counts.into_iter().collect();
    bars.sort_by_key(|(_, counts)| std::cmp::Reverse(total(counts)));
    let more = bars.len().saturating_sub(SHOWN);
    let _ = writeln!(page, "<section><h2>{title}</h2>");
    for (name, counts) in bars.into_iter().take(SHOWN) {
        let total = total(&counts);
        // Logarithmic, so that one row still shows beside a million.
        let whole = BAR * u64::from(total.ilog2() + 1) / u64::from(largest.ilog2() + 1);
        let name = html(name);
        let _ = write!(
            page,
            "<button type=\"button\" class=\"bar\" data-filter=\"{filter}\" data-value=\"{name}\">\
             <span class=\"name\">{name}</span><svg viewBox=\"0 0 {BAR} 10\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{} added, {} changed, {} destroyed\">",
            counts[0], counts[1], counts[2]
        );
        let mut from = 0;
        for (count, class) in counts.into_iter().zip(["add", "change", "destroy"]) {
            if count > 0 {
                // A part of one row in many is still seen.
                let width = (whole * count / total).max(BAR / 50);
                let _ = write!(
                    page,
                    "<rect class=\"{class}\" x=\"{from}\" width=\"{width}\" height=\"10\"/>"
                );
                from += width;
            }
        }
        let _ = writeln!(
            page,
            "</svg><span class=\"number\">{}</span></button>",
            words::thousands(total)
        );
    }
    if more > 0 {
        let _ = writeln!(page, "<p class=\"dim\">… and {more} more</p>");
    }
    page.push_str("</section>\n");
}

/// Writes the search field, the filters and what decides on everything that is shown.
pub(super) fn filters(view: &View<'_>, page: &mut String) {
    let sorted = |mut items: Vec<&str>| -> String {
        items.sort_unstable();
        items.dedup();
        let mut options = String::new();
        for item in items {
            let _ = write!(options, "<option>{}</option>", html(item));
        }
        options
    };
    let objects = sorted(view.entries.iter().map(|it| it.object.as_str()).collect());
    let kinds = view.entries.iter().map(|it| words::kind_words(it.kind));
    let kinds = sorted(kinds.collect());
    let _ = writeln!(
        page,
        "<div class=\"filters\" role=\"search\">\n\
         <input type=\"search\" id=\"search\" placeholder=\"search ids, values, SQL\" aria-label=\"search\">\n\
         <select id=\"object\" aria-label=\"table or object\"><option value=\"\">all tables</option>{objects}</select>\n\
         <select id=\"kind\" aria-label=\"kind\"><option value=\"\">all kinds</option>{kinds}</select>\n\
         <select id=\"risk\" aria-label=\"risk\"><option value=\"\">any risk</option><option>safe</option>\
         <option>destructive</option></select>\n\
         <select id=\"decision\" aria-label=\"decision\"><option value=\"\">any decision</option>\
         <option value=\"pending\">pending</option><option value=\"approve\">approved</option>\
         <option value=\"deny\">denied</option></select>\n</div>\n\
         <div class=\"line many\"><span id=\"shown\" class=\"dim\" aria-live=\"polite\"></span>\n\
         <span class=\"buttons\"><button type=\"button\" id=\"clear\" hidden>Show all</button>\n\
         <button type=\"button\" id=\"approve-safe\">Approve all safe</button>\n\
         <button type=\"button\" id=\"approve-shown\">Approve shown</button>\n\
         <button type=\"button\" id=\"deny-shown\">Deny shown</button>\n\
         <button type=\"button\" id=\"reset\">Reset</button></span></div>"
    );
}
