//! The signing keys of an organization.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::keys::KeyView;
use latchkey_directory::page::{Cursor, Page};
use latchkey_directory::values::KeyUse;
use latchkey_directory::{Error, FieldProblem};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Plain};
use super::scope::{KeysRead, KeysWrite};
use crate::problem::Result;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(activate))
        .routes(routes!(retire))
}

/// A new key.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct NewKey {
    /// `assertion`, `metadata`, `challenge` or `ca`.
    r#use: Option<KeyUse>,
    /// For assertions `rsa-sha256` (the default) or `ecdsa-p256`; the other uses have one.
    algorithm: Option<String>,
}

impl NewKey {
    fn kind(&self) -> std::result::Result<(KeyUse, &'static str), Error> {
        let field = |pointer: &str, detail: String| Error::Invalid(vec![FieldProblem::invalid(pointer, detail)]);
        let usage =
            self.r#use.ok_or_else(|| field("/use", "say what for: assertion, metadata, challenge or ca".into()))?;
        let default = match usage {
            KeyUse::Assertion | KeyUse::Metadata => "rsa-2048",
            KeyUse::Ca => "p-256",
            KeyUse::Challenge => "ed25519",
            KeyUse::Root | KeyUse::Audit | KeyUse::Pairwise => {
                let detail = format!("changing the {usage} key is not built yet: assertion, metadata, challenge or ca");
                return Err(field("/use", detail));
            }
        };
        // Keys are named by what they sign with, and by what they are.
        let algorithm = match self.algorithm.as_deref() {
            None => default,
            Some("rsa-sha256" | "rsa-2048") => "rsa-2048",
            Some("ecdsa-p256" | "p-256") => "p-256",
            Some("ed25519") => "ed25519",
            Some(other) => return Err(field("/algorithm", format!("{other:?} is not rsa-sha256 or ecdsa-p256"))),
        };
        let fits = algorithm == default || (usage, algorithm) == (KeyUse::Assertion, "p-256");
        if fits { Ok((usage, algorithm)) } else { Err(field("/algorithm", format!("a {usage} key is {default}"))) }
    }
}

/// Keys and their states, newest first.
#[utoipa::path(get, path = "/keys", tag = "keys", responses((status = 200, body = Page<KeyView>)))]
async fn list(call: Call<KeysRead>, State(app): State<Shared>, list: List) -> Result<Json<Page<KeyView>>> {
    let mut all = app.directory.keys(&call.org).await?;
    all.reverse();
    let place = |view: &KeyView| Cursor { at: view.created_at, id: view.id.clone() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// One key, without its private part.
#[utoipa::path(get, path = "/keys/{id}", tag = "keys", responses((status = 200, body = KeyView)))]
async fn show(
    call: Call<KeysRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<KeyView>> {
    Ok(Resource(app.directory.key(&call.org, &id).await?))
}

/// Makes a key that is published but not used yet.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = NewKey, responses((status = 201, body = KeyView)))]
async fn create(
    call: Call<KeysWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewKey>,
) -> Result<Response> {
    let (usage, algorithm) = new.kind()?;
    let (org, label, now) = (call.org.clone(), call.organization.slug.clone(), app.directory.now());
    let made = tokio::task::spawn_blocking(move || crate::app::new_key(usage, algorithm, &org, &label, now))
        .await
        .map_err(|e| Error::Internal(e.to_string()))??;
    let view = app.directory.add_key(&call.intent(&changing), &call.org, made).await?;
    app.keys.forget(&call.org);
    Ok(created(changing.dry_run, view))
}

/// Brings a key into use; the one used until now stays published.
#[utoipa::path(post, path = "/keys/{id}/activate", tag = "keys", responses((status = 200, body = KeyView)))]
async fn activate(
    call: Call<KeysWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.activate_key(&call.intent(&changing), &call.org, &id).await?;
    app.keys.forget(&call.org);
    Ok(changed(changing.dry_run, "activated", view))
}

/// Takes a key out of publication: what it signed counts no more.
#[utoipa::path(post, path = "/keys/{id}/retire", tag = "keys", responses((status = 200, body = KeyView)))]
async fn retire(
    call: Call<KeysWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.retire_key(&call.intent(&changing), &call.org, &id).await?;
    app.keys.forget(&call.org);
    Ok(changed(changing.dry_run, "retired", view))
}
