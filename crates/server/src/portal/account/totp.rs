//! My authenticators: set up with a first code, removed.
//!
//! Owns the picture of the secret. It is drawn into the page and fetched from nowhere, so that it stands in no log and no cache.

use std::fmt::Write as _;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Error;
use latchkey_directory::credentials::TotpSetup;
use latchkey_directory::values::SignInMethod;
use qrcode::{Color, QrCode};
use zeroize::Zeroizing;

use super::methods::{HERE, first};
use crate::app::App;
use crate::code::Own;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

/// The margin of the picture that readers need, in its own units.
const MARGIN: usize = 4;

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .action(Needs::FreshPerson, "/account/authenticators", begin)
        .page(Needs::FreshPerson, "/account/authenticators/{id}", setup)
        .action(Needs::FreshPerson, "/account/authenticators/{id}", confirm)
        .action(Needs::FreshPerson, "/account/authenticators/{id}/remove", remove)
}

#[derive(Template)]
#[template(path = "account/totp.html")]
struct SetupPage {
    page: Page,
    id: String,
    secret: Zeroizing<String>,
    size: usize,
    /// The dark squares, as the path of an SVG.
    squares: Zeroizing<String>,
}

impl SetupPage {
    fn of(page: Page, setup: &TotpSetup) -> Result<Self> {
        let (size, squares) = drawn(&setup.uri()?)?;
        Ok(Self { page, id: setup.id.clone(), secret: setup.text(), size, squares })
    }
}

/// A QR code as the path of its dark squares, row by row, and its size.
fn drawn(text: &str) -> Result<(usize, Zeroizing<String>)> {
    let code = QrCode::new(text).map_err(|error| Problem::internal(format!("a QR code: {error}")))?;
    let (width, colors) = (code.width(), code.to_colors());
    let mut path = Zeroizing::new(String::with_capacity(8 * colors.len()));
    for (at, _) in colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        // Writing to a String cannot fail.
        let _ = write!(path, "M{} {}h1v1h-1z", at % width + MARGIN, at / width + MARGIN);
    }
    Ok((width + 2 * MARGIN, path))
}

async fn begin(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    let policy = app.directory.sign_in_policy(&visit.org).await?;
    if !policy.allows(SignInMethod::Totp) {
        return Err(Problem::of(Own::Api008)
            .detail("Your organization does not use one-time codes.")
            .fix("Use a passkey."));
    }
    let name = fields.text("name").unwrap_or("Authenticator");
    let setup = app.directory.begin_totp(&visit.intent(), &visit.org, &visit.user_id, name).await?;
    Ok(visit.go(&format!("/account/authenticators/{}", setup.id)))
}

async fn setup(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let setup = match app.directory.pending_totp(&visit.org, &visit.user_id, &id).await {
        Ok(setup) => setup,
        // Confirmed already: its secret is shown no more.
        Err(Error::NotFound { .. }) => return Ok(visit.go(HERE)),
        Err(error) => return Err(error.into()),
    };
    Ok(page::show(&SetupPage::of(visit.page("account.new_totp"), &setup)?))
}

async fn confirm(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    let code = fields.text("code").unwrap_or_default();
    match app.directory.confirm_totp(&visit.intent(), &visit.org, &visit.user_id, &id, code).await {
        Ok(_) => Ok(visit.go_saying(HERE, "totp-added")),
        Err(error) => {
            let problem = Problem::from(error);
            let status = problem.status();
            let page = visit.page("account.new_totp").refused(problem)?;
            let setup = app.directory.pending_totp(&visit.org, &visit.user_id, &id).await?;
            Ok(page::show_as(status, &SetupPage::of(page, &setup)?))
        }
    }
}

async fn remove(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    app.directory.remove_totp(&visit.intent(), &visit.org, &visit.user_id, &id).await?;
    Ok(visit.go_saying(HERE, "removed"))
}
