//! The REST API of administrators (api.md), which the command line speaks as well.
//!
//! Owns paths, parameters, bodies and answers; every rule is a service of the directory. `/api/v1/openapi.json` is made from the handlers.
//! Must not know the store.
//!
//! # How a call is written
//!
//! A resource has a file of its own with `pub(super) fn routes() -> OpenApiRouter<Shared>`, mounted in `organization_routes`. A handler has
//! a `#[utoipa::path]` with its path below `/api/v1/o/{org}`, and these arguments:
//!
//! * [`Call<Right>`](caller::Call): who calls, for which organization; without the right `Right` the handler does not run. Operator-only things
//!   below an organization check `call.caller.is_operator()`; things above organizations take [`OperatorCall`](caller::OperatorCall).
//! * `Path((_, id)): Path<(String, String)>`: `{org}` and what follows. Ids and natural keys both work; the service finds out.
//! * [`Plain`](query::Plain) for reading one thing, [`List<Filters>`](query::List) for a list, [`Changing`](query::Changing) for a change
//!   (`dry_run`, `If-Match`). Each refuses parameters it does not have. Filters are structs of [`Many`](query::Many) and
//!   [`Once`](query::Once) with `#[derive(Default, Deserialize)] #[serde(default)]`.
//! * [`Body<T>`](body::Body) last: every field of `T` has a default; the service says what is missing, together with what else is wrong.
//!   Fields that a merge patch may take away are [`Patch<T>`](latchkey_directory::patch::Patch).
//!
//! The service gets `call.intent(&changing)` and does the dry run and the condition itself (`Directory::change`,
//! `intent.condition.check`). The answer is [`Resource`](answer::Resource), `Json(Page)`, or one of [`answer`]'s functions. Errors of the
//! directory become problems by `?` (`failure.rs`). `Idempotency-Key` is done for every `POST` of a mounted route; an answer with a secret
//! must be made by [`answer::once_only`].

pub mod answer;
mod audit;
mod backup;
mod bindings;
pub mod body;
mod branding;
pub mod caller;
mod cleanup_rules;
mod clients;
mod codes;
mod credentials;
mod device_groups;
mod devices;
mod domains;
mod explain;
mod failure;
mod fields;
mod groups;
mod idempotency;
mod json;
mod keys;
mod mail;
mod oauth2;
mod openapi;
mod organizations;
mod policy;
pub mod query;
mod roles;
pub mod scope;
mod services;
mod sessions;
mod setup;
mod statistics;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// What handlers share.
pub type Shared = Arc<App>;

/// Where the calls about an organization are.
const ORGANIZATION: &str = "/api/v1/o/{org}";

/// The routes of the public listener and of the operator's socket.
pub fn routes(app: &Shared) -> (Router<Shared>, Router<Shared>) {
    let organization = || {
        let inside =
            organization_routes().route_layer(from_fn_with_state(Arc::clone(app), idempotency::of_organization));
        OpenApiRouter::<Shared>::new().nest(ORGANIZATION, inside)
    };
    let above = OpenApiRouter::<Shared>::new()
        .nest(
            "/api/v1",
            organizations::operator_routes().merge(setup::operator_routes()).merge(mail::operator_routes()),
        )
        .route_layer(from_fn_with_state(Arc::clone(app), idempotency::of_operator))
        .merge(OpenApiRouter::new().nest("/api/v1", backup::operator_routes()));
    let (public, _) = organization().merge(oauth2::routes()).split_for_parts();
    let (operator, _) = organization().merge(above).split_for_parts();
    let document = description();
    (public.merge(described(&document)), operator.merge(described(&document)))
}

/// The description of every call, made from the handlers.
#[must_use]
pub fn description() -> OpenApi {
    let all = OpenApiRouter::<Shared>::new()
        .nest(ORGANIZATION, organization_routes())
        .nest(
            "/api/v1",
            organizations::operator_routes().merge(setup::operator_routes()).merge(mail::operator_routes()),
        )
        .nest("/api/v1", backup::operator_routes())
        .merge(oauth2::routes());
    openapi::describe(all.into_openapi())
}

/// Every resource of an organization.
fn organization_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .merge(organizations::routes())
        .merge(audit::routes())
        .merge(bindings::routes())
        .merge(branding::routes())
        .merge(clients::routes())
        .merge(devices::routes())
        .merge(domains::routes())
        .merge(codes::routes())
        .merge(credentials::routes())
        .merge(explain::routes())
        .merge(keys::routes())
        .merge(sessions::routes())
        .merge(statistics::routes())
        .merge(groups::routes())
        .merge(device_groups::routes())
        .merge(cleanup_rules::routes())
        .merge(policy::routes())
        .merge(roles::routes())
        .merge(services::routes())
        .merge(tokens::routes())
        .merge(users::routes())
}

fn described(document: &OpenApi) -> Router<Shared> {
    let text = openapi::text(document);
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], text.clone()) }))
}
