//! Device tokens with their secret: made, rotated, shown again.
//!
//! Owns where the secret exists: from the moment it is drawn, or opened, until the answer is written. Argon2 runs on threads that may block, a
//! few at a time. Portal and REST come here alike. Must not know how an answer looks.

use latchkey_directory::tokens::{Made, NewToken, Password, RotateOrder, TokenView, seal};
use latchkey_directory::{Intent, OrgId};
use latchkey_wire::{Code as Wire, DeviceToken as Credential};
use zeroize::Zeroizing;

use crate::app::App;
use crate::code::Own;
use crate::problem::{Problem, Result};

/// A token with its secret, and what still stops it.
pub struct Shown {
    /// The token.
    pub token: TokenView,
    /// The whole token, as an installer takes it.
    pub text: Zeroizing<String>,
    /// What still stops a device that comes with it, as the codes it would be told.
    pub not_accepted_because: Vec<Wire>,
}

/// What became of an order: done, or what would have been.
pub enum Outcome {
    /// Done.
    Done(Shown),
    /// A dry run.
    Would(TokenView),
}

/// Makes a token.
pub async fn create(app: &App, intent: &Intent, org: &OrgId, new: NewToken) -> Result<Outcome> {
    let credential = Credential::generate(app.pin());
    // Everything is judged before the password may cost anything.
    let bare = Made::of(app.directory.master(), org, &credential, None)?;
    let would = app.directory.create_token(&trial(intent), org, new.clone(), bare).await?;
    if intent.dry_run {
        return Ok(Outcome::Would(would));
    }
    let (credential, made) = sealed(app, org, credential, new.password.clone()).await?;
    let view = app.directory.create_token(intent, org, new, made).await?;
    Ok(Outcome::Done(shown(app, org, view, &credential).await?))
}

/// Makes a successor.
pub async fn rotate(app: &App, intent: &Intent, org: &OrgId, id: &str, order: RotateOrder) -> Result<Outcome> {
    let credential = Credential::generate(app.pin());
    let bare = Made::of(app.directory.master(), org, &credential, None)?;
    let would = app.directory.rotate_token(&trial(intent), org, id, order.clone(), bare).await?;
    if intent.dry_run {
        return Ok(Outcome::Would(would));
    }
    let (credential, made) = sealed(app, org, credential, order.password.clone()).await?;
    let view = app.directory.rotate_token(intent, org, id, order, made).await?;
    Ok(Outcome::Done(shown(app, org, view, &credential).await?))
}

/// Shows a token again, from its sealed copy. Five wrong passwords an hour.
pub async fn reveal(app: &App, intent: &Intent, org: &OrgId, id: &str, password: Option<Password>) -> Result<Shown> {
    let missing = || Problem::of(Wire::Api010).field("/password", Wire::Api010, "password is missing");
    let password = password.ok_or_else(missing)?;
    let attempt = app.directory.begin_reveal(org, id).await?;
    let (directory, tried_for, tried) = (app.directory.clone(), org.clone(), attempt.clone());
    let open = move || seal::open(directory.master(), &tried_for, &tried.id, &tried.sealed, &password);
    let Some(seed) = blocking(app, open).await? else {
        let problem = Problem::of(Own::Auth002)
            .detail("the password is not the one of this token's sealed copy")
            .fix("Try again, at most five times an hour; without the password the token can only be rotated.");
        let reference = problem.reference().to_owned();
        app.directory.wrong_reveal(intent, org, &attempt, &reference).await?;
        return Err(problem.with_reference(reference));
    };
    let credential = Credential::from_parts(attempt.id.clone(), app.pin(), &seed);
    app.directory.end_reveal(intent, org, attempt).await?;
    let view = app.directory.token(org, id).await?;
    shown(app, org, view, &credential).await
}

fn trial(intent: &Intent) -> Intent {
    Intent { dry_run: true, ..intent.clone() }
}

/// Seals a copy where there is a password. The credential goes along, and comes back.
async fn sealed(
    app: &App,
    org: &OrgId,
    credential: Credential,
    password: Option<Password>,
) -> Result<(Credential, Made)> {
    let (directory, org) = (app.directory.clone(), org.clone());
    let work = move || {
        let made = Made::of(directory.master(), &org, &credential, password.as_ref())?;
        Ok((credential, made))
    };
    blocking(app, work).await
}

/// Work that takes a core and many MiB for a good part of a second: a few at a time, others wait.
pub async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> latchkey_directory::Result<T> + Send + 'static,
) -> Result<T> {
    let permit = app.password_work.acquire().await.map_err(Problem::internal)?;
    let done = tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?;
    drop(permit);
    Ok(done?)
}

async fn shown(app: &App, org: &OrgId, token: TokenView, credential: &Credential) -> Result<Shown> {
    let not_accepted_because = app.directory.token_obstacles(org, &token.id.to_string()).await?;
    Ok(Shown { token, text: Zeroizing::new(credential.expose().to_string()), not_accepted_because })
}
