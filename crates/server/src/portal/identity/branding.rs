//! How the organization looks: logo, accent and texts, seen before they are saved.
//!
//! Owns the page and its preview, which is this page in the new looks. Must not know which colours can be read, nor what a picture is: the directory's
//! service refuses what it does not take.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use latchkey_directory::Intent;
use latchkey_directory::branding::{BrandingPatch, BrandingView, picture};
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::patch::Patch;
use latchkey_directory::values::Scope;

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::look::{Look, Mark};
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const HERE: &str = "/admin/branding";

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Right(Scope::OrganizationWrite);
    doors
        .page(Needs::Right(Scope::OrganizationRead), HERE, show)
        .action(write, HERE, change)
        .page(write, "/admin/branding/logo/{id}", waiting)
        .action(write, "/admin/branding/reset", reset)
}

/// The values as they stand in the form.
#[derive(Default)]
struct Typed {
    accent: String,
    sign_in_title: String,
    sign_in_help: String,
    support_contact: String,
    sender_name: String,
    no_logo: bool,
    /// Under which id a new logo waits.
    kept: String,
}

impl From<&BrandingView> for Typed {
    fn from(view: &BrandingView) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            accent: text(&view.accent),
            sign_in_title: text(&view.sign_in_title),
            sign_in_help: text(&view.sign_in_help),
            support_contact: text(&view.support_contact),
            sender_name: text(&view.sender_name),
            no_logo: false,
            kept: String::new(),
        }
    }
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        Self {
            accent: text("accent"),
            sign_in_title: text("sign_in_title"),
            sign_in_help: text("sign_in_help"),
            support_contact: text("support_contact"),
            sender_name: text("sender_name"),
            no_logo: fields.is_on("no_logo"),
            kept: text("kept"),
        }
    }

    fn patch(&self, logo: Patch<String>) -> BrandingPatch {
        let text = |value: &str| if value.is_empty() { Patch::Clear } else { Patch::Set(value.to_owned()) };
        BrandingPatch {
            accent: text(&self.accent),
            sign_in_title: text(&self.sign_in_title),
            sign_in_help: text(&self.sign_in_help),
            support_contact: text(&self.support_contact),
            sender_name: text(&self.sender_name),
            logo,
        }
    }
}

#[derive(Template)]
#[template(path = "identity/branding.html")]
struct BrandingPage {
    page: Page,
    typed: Typed,
    /// How it looks now.
    now: BrandingView,
    /// How it would look, where somebody asked for that.
    preview: Option<BrandingView>,
    version: String,
    may_write: bool,
    cli: String,
    api: String,
}

fn draw(visit: &Visit, page: Page, now: BrandingView, typed: Typed, preview: Option<BrandingView>) -> Response {
    let shown = BrandingPage {
        page,
        version: version(&now),
        may_write: visit.rights.may(Scope::OrganizationWrite),
        cli: "latchkey branding set --accent \"#1d4ed8\" --logo logo.png --sign-in-title \"Welcome to Acme\""
            .to_owned(),
        api: format!(
            "PATCH /api/v1{}/branding\n{{\"accent\":\"#1d4ed8\",\"sign_in_title\":\"Welcome to Acme\"}}",
            visit.at("")
        ),
        typed,
        now,
        preview,
    };
    page::show_as(shown.page.status(), &shown)
}

async fn show(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let now = app.directory.branding(&visit.org).await?;
    let typed = Typed::from(&now);
    Ok(draw(&visit, visit.page("branding.title"), now, typed, None))
}

/// What was chosen as logo: a new file, the one that waits from a preview, none, or what is there.
fn logo(app: &App, visit: &Visit, fields: &Fields, typed: &mut Typed) -> Patch<String> {
    if typed.no_logo {
        return Patch::Clear;
    }
    if let Some(bytes) = fields.picture("logo") {
        // Kept only if it is one: what is wrong is told by the service.
        typed.kept = match picture::look(bytes) {
            Ok(_) => app.logos.keep(&visit.session.id, bytes.to_vec()),
            Err(_) => String::new(),
        };
        return Patch::Set(STANDARD.encode(bytes));
    }
    match app.logos.find(&visit.session.id, &typed.kept) {
        Some(bytes) => Patch::Set(STANDARD.encode(&*bytes)),
        None => Patch::Keep,
    }
}

async fn change(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let now = app.directory.branding(&visit.org).await?;
    let mut typed = Typed::of(&fields);
    let logo = logo(&app, &visit, &fields, &mut typed);
    let patch = typed.patch(logo);
    let saves = fields.text("do") != Some("preview");
    let intent = if saves { visit.intent() } else { visit.trial() };
    let seen = fields.text("version").unwrap_or_default().to_owned();
    let intent = Intent { condition: Condition::OneOf(vec![seen]), ..intent };
    match app.directory.change_branding(&intent, &visit.org, patch).await {
        Ok(_) if saves => {
            app.logos.forget(&typed.kept);
            Ok(visit.go_saying(HERE, "branding-saved"))
        }
        Ok(would) => Ok(in_new_looks(&visit, now, typed, would)),
        Err(error) => {
            let page = visit.page("branding.title").refused(Problem::from(error))?;
            Ok(draw(&visit, page, now, typed, None))
        }
    }
}

/// The page as every page would look.
fn in_new_looks(visit: &Visit, now: BrandingView, typed: Typed, would: BrandingView) -> Response {
    let look = match (&would.logo, typed.kept.as_str()) {
        (Some(logo), kept) if !kept.is_empty() && !typed.no_logo => {
            let src = visit.at(&format!("{HERE}/logo/{kept}"));
            Look::with_logo(&would, Some(Mark { src, width: logo.width, height: logo.height }))
        }
        _ => Look::of(&would, &visit.at("")),
    };
    let mut page = visit.page("branding.title");
    page.look = Arc::clone(&look);
    let mut response = draw(visit, page, now, typed, Some(would));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, look.policy());
    response
}

/// The logo of a preview, for whoever sent it.
async fn waiting(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let bytes = app.logos.find(&visit.session.id, &id).ok_or_else(Problem::not_found)?;
    let kind = picture::look(&bytes).map_err(Problem::internal)?.media_type;
    let mut response = page::as_file(Response::new((*bytes).clone().into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

async fn reset(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    app.directory.reset_branding(&visit.intent(), &visit.org).await?;
    Ok(visit.go_saying(HERE, "branding-reset"))
}
