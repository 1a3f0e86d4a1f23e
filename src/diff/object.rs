//! Compares views, triggers, routines and events: remote's object in the form that local is to hold, and what differs.
//!
//! Pure. Must never change a text where its meaning could change with it: what is not certain is an error with the
//! reason, and the object becomes unsupported.

mod names;
mod vendor;

#[cfg(test)]
mod tests;

pub use names::references;

use crate::schema::object::LocalAccounts;
use crate::schema::statement::{self, Account, LexMode, TokenKind, tokens};
use crate::schema::{Object, ObjectKind, Vendor};
use crate::sql::ident;

/// What is known of the two servers.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The program remote runs.
    pub remote: Vendor,
    /// The program local runs.
    pub local: Vendor,
    /// Local's accounts.
    pub accounts: &'a LocalAccounts,
    /// The databases of the plan, as remote and local name.
    pub databases: &'a [(String, String)],
}

/// Remote's object in the form that local is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The object.
    pub object: Object,
    /// The definer that local does not know and whose place the local account takes.
    pub replaced_definer: Option<String>,
}

/// Returns remote's object in the form that local is to hold: definer, database names, settings.
///
/// # Errors
/// Why local cannot hold it, in words.
pub fn wanted(remote: &Object, context: &Context<'_>) -> Result<Wanted, String> {
    let mut object = remote.clone();
    let replaced_definer = replace_definer(&mut object, context.accounts)?;
    names::rename(&mut object, context.databases)?;
    if context.remote != context.local {
        vendor::adapt(&mut object, context.local)?;
    }
    object.sql_mode = vendor::known_modes(&object.sql_mode, context.local);
    if object.kind == ObjectKind::Function && !context.accounts.takes_any_function {
        check_declared(&object)?;
    }
    Ok(Wanted {
        object,
        replaced_definer,
    })
}

/// Returns what differs between local's object and the one wanted, in words; empty where nothing does.
///
/// `collation` is the default collation that the database has on remote: an object created under another one than its
/// database has now is left as it is, as creating it again would not bring that one back.
///
/// # Errors
/// Why the two cannot be compared.
pub fn differences(
    local: &Object,
    wanted: &Object,
    collation: &str,
    context: &Context<'_>,
) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let same_vendor = context.remote == context.local;
    if local.create != wanted.create {
        let alike = !same_vendor
            && vendor::loose(&local.create, &local.sql_mode)?
                == vendor::loose(&wanted.create, &wanted.sql_mode)?;
        if !alike {
            found.push("its text".to_owned());
        }
    }
    let local_modes = vendor::known_modes(&local.sql_mode, context.local);
    if vendor::mode_set(&local_modes) != vendor::mode_set(&wanted.sql_mode) {
        found.push(format!(
            "sql_mode ({} on local, {} on remote)",
            shown(&local_modes),
            shown(&wanted.sql_mode)
        ));
    }
    for (name, here, there) in [
        (
            "character_set_client",
            vendor::charset(&local.charset_client),
            vendor::charset(&wanted.charset_client),
        ),
        (
            "collation_connection",
            vendor::collation(&local.collation_connection),
            vendor::collation(&wanted.collation_connection),
        ),
        (
            "time_zone",
            local.time_zone.clone(),
            wanted.time_zone.clone(),
        ),
    ] {
        if here != there {
            found.push(format!(
                "{name} ({} on local, {} on remote)",
                shown(&here),
                shown(&there)
            ));
        }
    }
    let follows_database = same_vendor && wanted.database_collation == collation;
    if follows_database
        && vendor::collation(&local.database_collation) != vendor::collation(collation)
    {
        found.push(format!(
            "the database's collation when it was created ({} on local, {} on remote)",
            shown(&local.database_collation),
            shown(collation)
        ));
    }
    Ok(found)
}

fn shown(setting: &str) -> &str {
    if setting.is_empty() { "none" } else { setting }
}

/// Puts the local account in the place of a definer that local does not know.
fn replace_definer(
    object: &mut Object,
    accounts: &LocalAccounts,
) -> Result<Option<String>, String> {
    let head = statement::head(&object.create, &object.sql_mode)?;
    let Some(definer) = head.definer else {
        return Ok(None);
    };
    let key = (
        definer.user.clone(),
        definer.host.clone().unwrap_or_default(),
    );
    if accounts.known.contains(&key) {
        return Ok(None);
    }
    let (user, host) = &accounts.own;
    // As the server quotes it under the object's own sql_mode: the texts are compared.
    let in_double_quotes = object.create[head.definer_at.clone()].starts_with('"');
    let quoted = |name: &str| {
        if in_double_quotes {
            format!("\"{}\"", name.replace('"', "\"\""))
        } else {
            ident(name)
        }
    };
    let account = format!("{}@{}", quoted(user), quoted(host));
    object.create.replace_range(head.definer_at, &account);
    object.definer = Some(
        Account {
            user: user.clone(),
            host: Some(host.clone()),
        }
        .to_string(),
    );
    Ok(Some(definer.to_string()))
}

/// Where binary logging is on and `log_bin_trust_function_creators` off, the server refuses a function that declares
/// nothing (error 1418).
fn check_declared(object: &Object) -> Result<(), String> {
    let tokens = tokens(&object.create, LexMode::from_sql_mode(&object.sql_mode))?;
    let head = statement::head(&object.create, &object.sql_mode)?;
    let words: Vec<String> = tokens[..head.body]
        .iter()
        .filter(|token| token.kind == TokenKind::Word)
        .map(|token| token.text.to_uppercase())
        .collect();
    let has = |phrase: &[&str]| words.windows(phrase.len()).any(|window| window == phrase);
    let declared = has(&["READS", "SQL", "DATA"])
        || has(&["NO", "SQL"])
        || (has(&["DETERMINISTIC"]) && !has(&["NOT", "DETERMINISTIC"]));
    if declared {
        Ok(())
    } else {
        Err(
            "local refuses functions that declare neither DETERMINISTIC, NO SQL nor READS SQL DATA (error 1418): on \
             local, SET GLOBAL log_bin_trust_function_creators = 1"
                .to_owned(),
        )
    }
}
