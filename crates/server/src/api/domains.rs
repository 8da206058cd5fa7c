//! Domains: claimed, verified by DNS or by the operator's word, given up.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::domains::{DomainProof, DomainView};
use latchkey_directory::page::Page;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Plain};
use super::scope::{DomainsRead, DomainsWrite};
use crate::code::Own;
use crate::problem::{Problem, Result};
use crate::verified;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_domains, add_domain))
        .routes(routes!(show_domain, remove_domain))
        .routes(routes!(verify_domain))
}

/// A domain to claim.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct NewDomain {
    /// The domain, as after the @ of login names.
    name: String,
}

/// How a domain is verified.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Verification {
    /// Without DNS, for this reason; the operator only. Shown as such for ever.
    operator_word: Option<String>,
}

/// The organization's domains.
#[utoipa::path(get, path = "/domains", tag = "domains", responses((status = 200, body = Page<DomainView>)))]
async fn list_domains(
    call: Call<DomainsRead>,
    State(app): State<Shared>,
    list: List,
) -> Result<Json<Page<DomainView>>> {
    Ok(Json(app.directory.domains(&call.org, list.page).await?))
}

/// Claims a domain. The answer names the DNS record that verifies it.
#[utoipa::path(post, path = "/domains", tag = "domains", request_body = NewDomain, responses((status = 201, body = DomainView)))]
async fn add_domain(
    call: Call<DomainsWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewDomain>,
) -> Result<Response> {
    let view = verified::add(&app, &call.intent(&changing), &call.org, &new.name).await?;
    Ok(created(changing.dry_run, view))
}

/// One domain, with its DNS record.
#[utoipa::path(get, path = "/domains/{name}", tag = "domains", responses((status = 200, body = DomainView)))]
async fn show_domain(
    call: Call<DomainsRead>,
    State(app): State<Shared>,
    Path((_org, name)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<DomainView>> {
    Ok(Resource(app.directory.domain(&call.org, &name).await?))
}

/// Gives a domain up.
#[utoipa::path(delete, path = "/domains/{name}", tag = "domains", responses((status = 204)))]
async fn remove_domain(
    call: Call<DomainsWrite>,
    State(app): State<Shared>,
    Path((_org, name)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.remove_domain(&call.intent(&changing), &call.org, &name).await?;
    Ok(deleted(changing.dry_run, view))
}

/// Looks for the record at the zone's own servers, or takes the operator's word.
#[utoipa::path(post, path = "/domains/{name}/verify", tag = "domains", request_body = Verification, responses((status = 200, body = DomainView)))]
async fn verify_domain(
    call: Call<DomainsWrite>,
    State(app): State<Shared>,
    Path((_org, name)): Path<(String, String)>,
    changing: Changing,
    Body(order): Body<Verification>,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let view = match order.operator_word {
        Some(_) if !call.caller.is_operator() => return Err(Problem::of(Own::Auth004)),
        Some(reason) => {
            app.directory.verify_domain(&intent, &call.org, &name, DomainProof::OperatorWord(reason)).await?
        }
        None => verified::by_record(&app, &intent, &call.org, &name).await?,
    };
    Ok(changed(changing.dry_run, "verified", view))
}
