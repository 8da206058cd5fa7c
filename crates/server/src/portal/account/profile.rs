//! Who I am here.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::patch::Patch;
use latchkey_directory::users::{UserPatch, UserView};

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Person, "/account", profile).action(Needs::Person, "/account", save)
}

#[derive(Template)]
#[template(path = "account/profile.html")]
struct ProfilePage {
    page: Page,
    user: UserView,
    display_name: String,
}

async fn profile(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let user = app.directory.user(&visit.org, &visit.user_id).await?;
    let display_name = user.display_name.clone().unwrap_or_default();
    Ok(page::show(&ProfilePage { page: visit.page("account.profile"), user, display_name }))
}

/// The name that others see. Everything else about a person is the organization's to say.
async fn save(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let typed = fields.text("display_name").map(str::to_owned);
    let display_name = typed.clone().map_or(Patch::Clear, Patch::Set);
    let patch = UserPatch { display_name, ..UserPatch::default() };
    match app.directory.change_user(&visit.intent(), &visit.org, &visit.user_id, patch).await {
        Ok(_) => Ok(visit.go_saying("/account", "saved")),
        Err(error) => {
            let problem = Problem::from(error);
            let status = problem.status();
            let user = app.directory.user(&visit.org, &visit.user_id).await?;
            let page = visit.page("account.profile").refused(problem)?;
            let display_name = typed.unwrap_or_default();
            Ok(page::show_as(status, &ProfilePage { page, user, display_name }))
        }
    }
}
