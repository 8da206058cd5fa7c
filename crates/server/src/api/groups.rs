//! Groups and their members.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::groups::{GroupPatch, GroupView, NewGroup};
use latchkey_directory::page::Page;
use latchkey_directory::users::UserView;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, NoFilter, Once, Plain};
use super::scope::{GroupsRead, GroupsWrite};
use crate::problem::Result;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_groups, create_group))
        .routes(routes!(show_group, change_group, delete_group))
        .routes(routes!(list_members))
        .routes(routes!(join_group, leave_group))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    q: Once<String>,
}

/// Groups.
#[utoipa::path(get, path = "/groups", tag = "groups", params(("q" = Option<String>, Query)), responses((status = 200, body = Page<GroupView>)))]
async fn list_groups(
    call: Call<GroupsRead>,
    State(app): State<Shared>,
    list: List<Filters>,
) -> Result<Json<Page<GroupView>>> {
    Ok(Json(app.directory.groups(&call.org, list.filter.q.0, list.page).await?))
}

/// Makes a group.
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = NewGroup, responses((status = 201, body = GroupView)))]
async fn create_group(
    call: Call<GroupsWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewGroup>,
) -> Result<Response> {
    let view = app.directory.create_group(&call.intent(&changing), &call.org, new).await?;
    Ok(created(changing.dry_run, view))
}

/// One group, by id or name.
#[utoipa::path(get, path = "/groups/{group}", tag = "groups", responses((status = 200, body = GroupView)))]
async fn show_group(
    call: Call<GroupsRead>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<GroupView>> {
    Ok(Resource(app.directory.group(&call.org, &group).await?))
}

/// Changes name and protection.
#[utoipa::path(patch, path = "/groups/{group}", tag = "groups", request_body = GroupPatch, responses((status = 200, body = GroupView)))]
async fn change_group(
    call: Call<GroupsWrite>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    changing: Changing,
    Body(patch): Body<GroupPatch>,
) -> Result<Response> {
    let view = app.directory.change_group(&call.intent(&changing), &call.org, &group, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a group; its members stay users.
#[utoipa::path(delete, path = "/groups/{group}", tag = "groups", responses((status = 204)))]
async fn delete_group(
    call: Call<GroupsWrite>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.delete_group(&call.intent(&changing), &call.org, &group).await?;
    Ok(deleted(changing.dry_run, view))
}

/// The members of a group.
#[utoipa::path(get, path = "/groups/{group}/members", tag = "groups", responses((status = 200, body = Page<UserView>)))]
async fn list_members(
    call: Call<GroupsRead>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<UserView>>> {
    Ok(Json(app.directory.group_members(&call.org, &group, list.page).await?))
}

/// Puts a user into a group.
#[utoipa::path(put, path = "/groups/{group}/members/{user}", tag = "groups", responses((status = 200, body = GroupView)))]
async fn join_group(
    call: Call<GroupsWrite>,
    State(app): State<Shared>,
    Path((_org, group, user)): Path<(String, String, String)>,
    changing: Changing,
    Body(_none): Body<NoFilter>,
) -> Result<Response> {
    let view = app.directory.join_group(&call.intent(&changing), &call.org, &group, &user).await?;
    Ok(changed(changing.dry_run, "joined", view))
}

/// Takes a user out of a group.
#[utoipa::path(delete, path = "/groups/{group}/members/{user}", tag = "groups", responses((status = 204)))]
async fn leave_group(
    call: Call<GroupsWrite>,
    State(app): State<Shared>,
    Path((_org, group, user)): Path<(String, String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.leave_group(&call.intent(&changing), &call.org, &group, &user).await?;
    Ok(if changing.dry_run { changed(true, "left", view) } else { deleted(false, view) })
}
