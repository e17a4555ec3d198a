use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::SharedJournal;
use super::retry::patiently;
use crate::journal::JournalError;
use crate::journal::values::failed;
use crate::postgres::connect_options;

/// How long a server may be away before a command, or a run, gives up; a try that began before may
/// take longer by what one may take. A lease that ends meanwhile is not waited for: whoever renews
/// it gives up with its end.
const PATIENCE: Duration = Duration::from_secs(40);

/// The same when the journal is opened: nothing is lost yet.
const OPENING: Duration = Duration::from_secs(10);

fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("src/journal/shared/migrations");
    migrations.dangerous_set_table_name("coppice_journal.migration");
    migrations
}

/// The newest format that this version knows.
pub(super) fn known() -> i64 {
    migrations().iter().map(|migration| migration.version).max().unwrap_or_default()
}

impl SharedJournal {
    /// Opens the journal in the database of a URL; makes its schema where there is none, and
    /// brings an older one up to date.
    pub(crate) async fn open(url: &str) -> Result<Self, JournalError> {
        Self::open_with(connect_options(url)?, PATIENCE).await
    }

    pub(super) async fn open_with(
        options: PgConnectOptions,
        patience: Duration,
    ) -> Result<Self, JournalError> {
        let options = options.options([
            // Durable on return, whatever the server does by default.
            ("synchronous_commit", "on"),
            // A holder whose network is gone must not keep others from its rows.
            ("idle_in_transaction_session_timeout", "15s"),
            ("lock_timeout", "10s"),
        ]);
        let place = place(&options);
        let ready = patiently(OPENING.min(patience), |_again| bring_up_to_date(&options)).await;
        ready.map_err(|error| error.at(&place))?;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(options);
        Ok(Self { pool, place, patience })
    }
}

/// Where the server is; never with the password.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

/// On a connection of its own: a lock of a migration that failed ends with it.
async fn bring_up_to_date(options: &PgConnectOptions) -> Result<(), JournalError> {
    let mut connection = options.connect().await.map_err(failed("connect"))?;
    let ready = migrated(&mut connection).await;
    let closed = connection.close().await;
    ready?;
    closed.map_err(failed("close a connection"))
}

async fn migrated(connection: &mut PgConnection) -> Result<(), JournalError> {
    let found = format(connection).await?;
    let known = known();
    match found {
        Some(found) if found > known => return Err(JournalError::Newer { found, known }),
        // Nothing more is asked of the role: it may read and write, but need not own the tables.
        Some(found) if found == known => return Ok(()),
        _ => {}
    }
    let mut migrations = migrations();
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'coppice_journal')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed("look for the journal's schema"))?;
    if !there {
        migrations.create_schema("coppice_journal");
    }
    match migrations.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        // Another, later Coppice was quicker.
        Err(MigrateError::VersionMissing(found)) => Err(JournalError::Newer { found, known }),
        Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
            Err(failed("make the journal's tables")(source))
        }
        Err(error) => Err(JournalError::Damaged { what: error.to_string() }),
    }
}

/// The format of the journal; `None`: there is none yet.
async fn format(connection: &mut PgConnection) -> Result<Option<i64>, JournalError> {
    let read = failed("read the journal's format");
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_tables \
         WHERE schemaname = 'coppice_journal' AND tablename = 'migration')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(&read)?;
    if !there {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM coppice_journal.migration WHERE success")
        .fetch_one(connection)
        .await
        .map_err(&read)
}
