//! Opens both sides and reads their schemas, as far as the plan takes them in.
//!
//! Must never compare anything: it only gathers.

use crate::config::Config;
use crate::connect::{LocalSession, Notice, Reader, Remote, RemoteSession, refuse_same_server};
use crate::introspect;
use crate::plan::DatabasePair;
use crate::plan::scope::Selection;
use crate::refusal::{Problem, Refusal};
use crate::schema::{Database, ObjectKind, ObjectName, Unsupported};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Both servers, connected and told apart.
#[derive(Debug)]
pub(super) struct Sides {
    /// Production and its tunnel.
    pub(super) remote: Remote,
    /// The session that reads production.
    pub(super) session: RemoteSession,
    /// The local server.
    pub(super) local: LocalSession,
    /// The ssh host as configured.
    pub(super) ssh_host: String,
    /// What the user should know of the accounts.
    pub(super) warnings: Vec<String>,
}

/// One database on both sides, reduced to what the plan takes in.
#[derive(Debug)]
pub(super) struct Pair {
    /// Its names.
    pub(super) names: DatabasePair,
    /// As production has it, under its remote name.
    pub(super) remote: Database,
    /// As local has it.
    pub(super) local: Database,
}

impl Pair {
    /// Returns a table's name on the remote server.
    pub(super) fn remote_name(&self, table: &str) -> ObjectName {
        ObjectName::new(&self.names.remote, table)
    }

    /// Returns a table's name on the local server.
    pub(super) fn local_name(&self, table: &str) -> ObjectName {
        ObjectName::new(&self.names.local, table)
    }
}

/// Connects to both servers and checks that they are two, and that production's account only reads.
///
/// # Errors
/// What is wrong with a connection; a refusal for an unsafe target or account.
pub(super) fn connect(config: &Config, notice: Notice) -> Result<Sides> {
    let local = LocalSession::open_patiently(config, Arc::clone(&notice))?;
    let remote = Remote::open(config, notice)?;
    refuse_same_server(remote.server(), local.server())?;
    let mut session = remote.session()?;
    let grants = remote.run(&mut session, "reading the account's grants", |session| {
        introspect::own_grants(session)
    })?;
    let mut warnings = Vec::new();
    let beyond = grants.beyond_reading();
    if !beyond.is_empty() {
        let user = &config.remote.user;
        if !grants.writing().is_empty() && !config.remote.accept_write_grants {
            return Err(Refusal::new(
                format!("production's account {user} may do more than read: {}", beyond.join("; ")),
                "use an account with SELECT, SHOW VIEW, TRIGGER and EVENT alone (README, \"Use it\"), or set \
                 remote.accept_write_grants to true: the session is read-only either way",
            )
            .into());
        }
        warnings.push(format!(
            "production's account {user} may do more than read: {}",
            beyond.join("; ")
        ));
    }
    Ok(Sides {
        remote,
        session,
        local,
        ssh_host: config.ssh.host.clone(),
        warnings,
    })
}

/// Reads the schemas of all databases on both sides.
///
/// # Errors
/// When a database is missing on production, or a schema cannot be read.
pub(super) fn read(config: &Config, sides: &mut Sides) -> Result<Vec<Pair>> {
    let names: Vec<DatabasePair> = config
        .databases
        .iter()
        .map(|name| DatabasePair {
            remote: name.remote().to_owned(),
            local: name.local().to_owned(),
        })
        .collect();
    let remote_names: Vec<String> = names.iter().map(|pair| pair.remote.clone()).collect();
    let local_names: Vec<String> = names.iter().map(|pair| pair.local.clone()).collect();
    let remote = sides
        .remote
        .run(
            &mut sides.session,
            "reading production's schema",
            |session| introspect::databases(session, &remote_names),
        )
        .context("cannot read production's schema")?;
    let local = sides
        .local
        .again("reading the local server's schema", |session| {
            introspect::databases(session, &local_names)
        })
        .context("cannot read the local server's schema")?;
    if let Some(missing) = remote.iter().find(|database| !database.exists) {
        return Err(Problem::new(
            format!("production has no database `{}`, or the account cannot see it", missing.name),
            format!(
                "check `databases` in the config, and the account's grants: GRANT SELECT ON `{}`.* TO …",
                missing.name
            ),
        )
        .into());
    }
    Ok(names
        .into_iter()
        .zip(remote)
        .zip(local)
        .map(|((names, remote), local)| Pair {
            names,
            remote,
            local,
        })
        .collect())
}

/// Notes what either side has that cannot be read, under its local name.
pub(super) fn note_unsupported(pairs: &[Pair], unsupported: &mut Vec<Unsupported>) {
    for pair in pairs {
        for (database, side) in [(&pair.remote, "production"), (&pair.local, "local")] {
            for found in &database.unsupported {
                let name = found
                    .object
                    .strip_prefix(&format!("{}.", database.name))
                    .map_or_else(
                        || found.object.clone(),
                        |name| pair.local_name(name).to_string(),
                    );
                unsupported.push(Unsupported {
                    object: name,
                    reason: format!("on {side}: {}", found.reason),
                });
            }
        }
    }
}

/// Reduces both sides to what is selected.
///
/// # Errors
/// When a pattern of the flags matches nothing on either side.
pub(super) fn select(pairs: &mut [Pair], selection: &Selection<'_>) -> Result<()> {
    let known: BTreeSet<ObjectName> = pairs
        .iter()
        .flat_map(|pair| {
            [&pair.remote, &pair.local]
                .into_iter()
                .flat_map(|database| {
                    let views = database
                        .objects
                        .keys()
                        .filter(|(kind, _)| *kind == ObjectKind::View);
                    database
                        .tables
                        .keys()
                        .chain(views.map(|(_, name)| name))
                        .map(|name| pair.remote_name(name))
                })
        })
        .collect();
    let known: Vec<ObjectName> = known.into_iter().collect();
    selection.check_patterns(&known)?;
    for pair in pairs {
        let remote_database = pair.names.remote.clone();
        for database in [&mut pair.remote, &mut pair.local] {
            let takes = |name: &str| selection.takes(&ObjectName::new(&remote_database, name));
            database.tables.retain(|name, _| takes(name));
            database
                .objects
                .retain(|(kind, name), object| match (kind, &object.table) {
                    (ObjectKind::Trigger, Some(table)) => takes(table),
                    (ObjectKind::View, _) => takes(name),
                    _ => selection.takes_whole_databases(),
                });
            let prefix = format!("{}.", database.name);
            database
                .unsupported
                .retain(|unsupported| unsupported.object.strip_prefix(&prefix).is_none_or(takes));
        }
    }
    Ok(())
}
