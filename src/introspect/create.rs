//! Fetches CREATE texts, many in one send.
//!
//! Must never let the failure of one object (dropped meanwhile, broken, not permitted) hide the others, and must never
//! take a broken connection for a failure of an object.

use crate::connect::{FailedStatement, Reader, Row, ServerError, server_code};
use crate::refusal;
use crate::retry::is_transient;
use crate::schema::{ObjectKind, ObjectName};
use crate::sql::Read;
use anyhow::{Context, Result};

/// What the server answered for one object, or why it did not, in words.
pub(super) type Answer = Result<Row, String>;

/// The statements of one send are no longer than this, in bytes of SQL.
const SEND_BYTES: usize = 64 * 1024;

/// A statement of the server's that gave up for time: not a fault of the object.
const TIMED_OUT: [u16; 2] = [3024, 1969];

/// Fetches the texts of tables.
pub(super) fn tables(reader: &mut dyn Reader, names: &[ObjectName]) -> Result<Vec<Answer>> {
    all(reader, names, ObjectName::clone, Read::ShowCreateTables)
}

/// Fetches the texts of objects.
pub(super) fn objects(
    reader: &mut dyn Reader,
    names: &[(ObjectKind, ObjectName)],
) -> Result<Vec<Answer>> {
    all(
        reader,
        names,
        |(_, name)| name.clone(),
        Read::ShowCreateObjects,
    )
}

fn all<T: Clone>(
    reader: &mut dyn Reader,
    items: &[T],
    name: impl Fn(&T) -> ObjectName,
    read: impl Fn(Vec<T>) -> Read,
) -> Result<Vec<Answer>> {
    let mut answers = Vec::with_capacity(items.len());
    while answers.len() < items.len() {
        let open = &items[answers.len()..];
        let batch = &open[..fitting(open, &name)];
        send(reader, batch, &name, &read, &mut answers)?;
    }
    Ok(answers)
}

/// How many of the items fit into one send, at least one.
fn fitting<T>(items: &[T], name: impl Fn(&T) -> ObjectName) -> usize {
    let mut bytes = 0;
    let fits = items.iter().take_while(|item| {
        let name = name(item);
        bytes += "SHOW CREATE PROCEDURE ".len() + name.database.len() + name.name.len() + 8;
        bytes <= SEND_BYTES
    });
    fits.count().max(1)
}

/// Sends for a batch and appends one answer per item. When one statement fails, those before it are asked again
/// without it, and those behind it in a send of their own.
fn send<T: Clone>(
    reader: &mut dyn Reader,
    batch: &[T],
    name: &impl Fn(&T) -> ObjectName,
    read: &impl Fn(Vec<T>) -> Read,
    answers: &mut Vec<Answer>,
) -> Result<()> {
    let mut open = batch;
    while let Some(first) = open.first() {
        let error = match reader.sets(&read(open.to_vec())) {
            Ok(sets) => {
                for item in 0..open.len() {
                    let row = sets.get(item).and_then(|rows| rows.first()).cloned();
                    answers.push(row.ok_or_else(|| "the server gave no CREATE text".to_owned()));
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let what = || format!("reading the CREATE texts from {} on", name(first));
        let code = server_code(&error).filter(|code| !TIMED_OUT.contains(code));
        let Some(code) = code.filter(|_| !is_transient(&error)) else {
            return Err(error).with_context(what);
        };
        let failed =
            refusal::find::<FailedStatement>(&error).map_or(0, |it| it.number.saturating_sub(1));
        let failed = failed.min(open.len() - 1);
        if failed > 0 {
            send(reader, &open[..failed], name, read, answers)?;
        }
        answers.push(Err(reason(code, &error)));
        open = &open[failed + 1..];
    }
    Ok(())
}

fn reason(code: u16, error: &anyhow::Error) -> String {
    let message = refusal::find::<ServerError>(error).map_or("", |error| error.message.as_str());
    match code {
        // No such table, database, routine, event, trigger.
        1049 | 1146 | 1305 | 1539 | 1360 => "dropped while planning: plan again".to_owned(),
        1044 | 1142 | 1143 | 1227 | 1370 => {
            format!("the account may not read its CREATE text ({message})")
        }
        _ => format!("the server cannot show its CREATE text (error {code}: {message})"),
    }
}
