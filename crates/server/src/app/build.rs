//! Opening the store and assembling the application.

use std::sync::Arc;

use latchkey_directory::master::MasterKey;
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::time::SystemClock;
use latchkey_directory::{Directory, Error};
use latchkey_store::postgres::PostgresStore;
use latchkey_store::sqlite::SqliteStore;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::{App, KeyCache, Roots};
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::net::dns::DomainCheck;
use crate::serve::Opened;
use crate::serve::health::ClockCheck;
use crate::serve::settings::Settings;
use crate::serve::tls::TlsKeys;
use crate::signin::seal::SealKeys;

/// How many passwords are tried at once.
const PASSWORDS_AT_ONCE: usize = 2;

/// Opens the store that the settings name.
pub async fn open_store(settings: &Settings, file: &std::path::Path) -> Result<Arc<dyn Store>> {
    let clock = Arc::new(SystemClock);
    if let Some(url) = &settings.database {
        let store = PostgresStore::open(url.expose(), clock).await.map_err(|error| store_failure(&error))?;
        return Ok(Arc::new(store));
    }
    let file = file.to_owned();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&file, clock)).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(error)) => Err(store_failure(&error)),
        Err(panic) => Err(internal(panic)),
    }
}

fn internal(reason: impl std::fmt::Display) -> Failure {
    Failure::new(Own::Serve001, reason.to_string(), Own::Serve001.fix())
}

/// Why a command cannot go on without the store.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Newer { .. } => Own::Serve007,
        StoreError::Unreachable(_) | StoreError::NoSpace(_) => Own::Serve008,
        _ => Own::Serve001,
    };
    Failure::new(code, error.to_string(), error.fix().unwrap_or(code.fix()))
}

/// Why a command cannot go on.
pub(crate) fn failure(error: Error) -> Failure {
    match error {
        Error::Store(error) => store_failure(&error),
        // The only state that can be in the way of starting is another master key.
        Error::State { detail, fix } => Failure::new(Own::Serve006, detail, fix),
        other => internal(other),
    }
}

/// Opens the store, founds the cloud in a fresh one, and assembles what is served.
pub async fn build(opened: Opened) -> Result<crate::serve::App> {
    crate::backup::take::clean(&opened.data);
    let store = open_store(&opened.settings, &opened.store_file).await?;
    let master = MasterKey::new(Zeroizing::new(*opened.master_key.expose()));
    let directory = Directory::new(store, Arc::new(SystemClock), Arc::new(master));
    let accepted = opened.settings.accept_clock;
    let app = assemble(directory, &opened.settings, opened.tls_keys, opened.stopping).await?;
    let newest = app.directory.newest_checkpoint().await.map_err(failure)?;
    let clock = super::clock_checks(accepted, newest);
    if accepted {
        note_accepted(&app.directory, &clock).await.map_err(failure)?;
    }
    let setup_url = app.first_link().await.map_err(failure)?;
    Ok(super::serve_app(app, clock, setup_url))
}

/// What is done under a wrong clock stays: who let it through must be found in the audit log.
async fn note_accepted(directory: &Directory, clock: &[ClockCheck]) -> latchkey_directory::Result<()> {
    for wrong in clock.iter().filter_map(ClockCheck::wrong) {
        tracing::warn!("--accept-clock: {wrong}");
        directory.note_accepted_clock(&crate::stopped::operator(), wrong).await?;
    }
    Ok(())
}

/// Founds the cloud in a fresh store, and assembles what handlers share.
pub async fn assemble(
    directory: Directory,
    settings: &Arc<Settings>,
    tls_keys: TlsKeys,
    stopping: watch::Receiver<bool>,
) -> Result<Arc<App>> {
    let origin = settings.public_url();
    let cloud = match directory.cloud().await.map_err(failure)? {
        Some(cloud) => cloud,
        None => {
            directory.found_cloud(&origin).await.map_err(failure)?;
            directory.cloud().await.map_err(failure)?.ok_or_else(|| internal("the new cloud is not there"))?
        }
    };
    if let Some(restored_at) = cloud.restored_at {
        tracing::warn!(%restored_at, "silent sign-in waits. {} fix: {}", Own::Restore001.title(), Own::Restore001.fix());
    }
    let mail = settings.mail.as_ref().map(crate::mail::Mailer::open).transpose()?;
    let directory = if mail.is_some() { directory.with_mail() } else { directory };
    Ok(Arc::new(App {
        mail,
        domain_check: DomainCheck::new(settings.dns_server),
        password_work: tokio::sync::Semaphore::new(PASSWORDS_AT_ONCE),
        settings: Arc::clone(settings),
        passkeys: crate::signin::passkeys::Passkeys::new(&cloud.iss, &origin),
        iss: cloud.iss,
        public_urls: vec![origin],
        cloud_name: settings.cloud_name().to_string(),
        roots: Roots::load(&directory).await.map_err(failure)?,
        keys: KeyCache::new(directory.clone()),
        seals: SealKeys::new(directory.master().derive("daily-seal")),
        imports: crate::portal::identity::waiting::Waiting::default(),
        logos: crate::portal::identity::waiting::Waiting::default(),
        form_key: crate::portal::csrf::FormKey::new(&directory.master().derive("portal-forms")),
        incarnation: directory.facts().incarnation,
        documents: crate::cloud::document::Documents::default(),
        limits: crate::net::limits::SourceLimits::default(),
        saml: crate::saml::Saml::default(),
        tls_keys,
        stopping,
        directory,
    }))
}
