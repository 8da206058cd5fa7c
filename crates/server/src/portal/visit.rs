//! Who visits a page.
//!
//! Owns [`Passer`], whoever comes, and [`Visit`], a person whose session and rights were read for this request: a handler that takes a `Visit`
//! cannot run without one. Must not know pages.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use latchkey_directory::access::{BrowserSessionView, KnownPerson, MayGive, Rights, SessionSecret};
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::branding::BrandingView;
use latchkey_directory::orgs::OrganizationView;
use latchkey_directory::{Intent, OrgId};

use super::csrf::Of;
use super::look::Look;
use super::page::{self, Page};
use super::text;
use crate::app::App;
use crate::net;
use crate::problem::{Problem, Result};
use crate::signin::visitor::{Visitor, set_cookie};

/// Whoever comes, known or not.
#[derive(Clone)]
pub struct Passer {
    /// The organization of the path; none on pages of the cloud.
    pub organization: Option<OrganizationView>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Which page was asked for, with its query.
    pub path: String,
    /// How the organization looks.
    pub look: Arc<Look>,
    binding: String,
    is_new: bool,
    csrf: String,
}

/// The organization of a path, and how it looks; neither on pages of the cloud.
pub(crate) type Face = (Option<OrganizationView>, Arc<Look>);

/// The face that belongs to an organization.
pub(crate) fn face(organization: OrganizationView, branding: &BrandingView) -> Face {
    let look = Look::of(branding, &format!("/o/{}", organization.slug));
    (Some(organization), look)
}

impl Passer {
    pub(crate) fn of(app: &App, (organization, look): Face, visitor: &Visitor, path: &str) -> Self {
        let (binding, is_new) = visitor.binding();
        let csrf = app.form_key.token(Of::Browser(&binding));
        Self { organization, address: visitor.address, path: path.to_owned(), look, binding, is_new, csrf }
    }

    /// The value of the cookie that binds forms to this browser before anybody is signed in.
    #[must_use]
    pub fn binding(&self) -> &str {
        &self.binding
    }

    /// Sets that cookie with an answer, if the browser has it not, and lets it look as the organization does.
    #[must_use]
    pub fn bound(&self, mut response: Response) -> Response {
        self.look.dress(&mut response);
        if self.is_new {
            set_cookie(&mut response, &self.binding);
        }
        response
    }

    /// The frame of a page for somebody who is not known.
    #[must_use]
    pub fn page(&self, title: &str) -> Page {
        let mut page =
            Page::bare(self.organization.as_ref(), &text::t(title), self.csrf.clone(), Arc::clone(&self.look));
        page.said = page::said(&self.path);
        page
    }

    /// Where to sign in first, and to come back here; `again` for somebody who is signed in and has to confirm it.
    pub(super) fn sign_in(&self, again: bool) -> String {
        let slug = self.organization.as_ref().map_or("-", |organization| organization.slug.as_str());
        sign_in(slug, &self.path, again)
    }

    /// The person whose session the browser has.
    pub(crate) async fn known(&self, app: &App, headers: &HeaderMap) -> Result<Option<(Visit, Option<SessionSecret>)>> {
        let Some(organization) = &self.organization else { return Ok(None) };
        let Some(cookie) = session_cookie(headers, &organization.id) else { return Ok(None) };
        let Some(person) = app.directory.known_person(&organization.id, &cookie).await? else { return Ok(None) };
        let KnownPerson { user_id, login_name, display_name, session, rights, withheld, renewed, .. } = person;
        let visit = Visit {
            csrf: app.form_key.token(Of::Session(&session.id)),
            org: organization.id.clone(),
            organization: organization.clone(),
            user_id,
            login_name,
            display_name,
            session,
            rights: Arc::new(rights),
            withheld,
            look: Arc::clone(&self.look),
            address: self.address,
            path: self.path.clone(),
        };
        Ok(Some((visit, renewed)))
    }
}

/// The address at which somebody signs in, or confirms to be signed in, and goes on to `to`.
fn sign_in(slug: &str, to: &str, again: bool) -> String {
    let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("/o/{slug}/signin?to={to}{}", if again { "&again=1" } else { "" })
}

/// The name of an organization's session cookie.
#[must_use]
pub fn cookie_name(org: &OrgId) -> String {
    format!("__Host-lk-s-{org}")
}

/// The session's cookie, for the answer that begins or renews it. It goes along when somebody comes here by a link, and with no other request of
/// another site.
#[must_use]
pub fn cookie(org: &OrgId, secret: &SessionSecret) -> HeaderValue {
    let text = format!("{}={}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie_name(org), secret.expose());
    let mut value = HeaderValue::from_str(&text).expect("id and secret are ASCII");
    value.set_sensitive(true);
    value
}

/// The cookie for the answer that ends the session.
#[must_use]
pub fn no_cookie(org: &OrgId) -> HeaderValue {
    let text = format!("{}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0", cookie_name(org));
    HeaderValue::from_str(&text).expect("an id is ASCII")
}

/// The session cookie of this organization, if its value can be one.
#[must_use]
pub fn session_cookie(headers: &HeaderMap, org: &OrgId) -> Option<String> {
    let value = net::cookie(headers, &cookie_name(org))?;
    let fits = value.len() <= 128 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    fits.then(|| value.to_owned())
}

/// A person whose session and rights were read for this request.
#[derive(Clone)]
pub struct Visit {
    /// The organization.
    pub org: OrgId,
    /// The organization, as everybody sees it.
    pub organization: OrganizationView,
    /// The person.
    pub user_id: String,
    /// How the person signs in.
    pub login_name: String,
    /// The name shown to people.
    pub display_name: Option<String>,
    /// The session.
    pub session: BrowserSessionView,
    /// What the person may do here.
    pub rights: Arc<Rights>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Which page was asked for, with its query.
    pub path: String,
    /// Whether the person has rights that do not count in this session, because it began too weakly.
    pub withheld: bool,
    /// How the organization looks.
    pub look: Arc<Look>,
    csrf: String,
}

impl Visit {
    /// The form's token.
    #[must_use]
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The person as the audit names one.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let address = self.address.map(|address| address.to_canonical().to_string());
        Actor { kind: ActorKind::User, id: self.user_id.clone(), address }
    }

    /// A change by this person, to be made.
    #[must_use]
    pub fn intent(&self) -> Intent {
        Intent { may_give: MayGive::Only((*self.rights).clone()), ..Intent::of(&self.actor()) }
    }

    /// The same, only tried: what would it touch?
    #[must_use]
    pub fn trial(&self) -> Intent {
        Intent { dry_run: true, ..self.intent() }
    }

    /// The frame of a page, titled by a text of the catalogue.
    #[must_use]
    pub fn page(&self, title: &str) -> Page {
        Page::of(self, text::t(title).into_owned())
    }

    /// The frame of a page that is titled by a thing's own name.
    #[must_use]
    pub fn page_of(&self, name: &str) -> Page {
        Page::of(self, name.to_owned())
    }

    /// A path of this organization.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("/o/{}{path}", self.organization.slug)
    }

    /// To another page of this organization, after a change.
    #[must_use]
    pub fn go(&self, path: &str) -> Response {
        Redirect::to(&self.at(path)).into_response()
    }

    /// The same, and say there what was done: a text of `common.said`.
    #[must_use]
    pub fn go_saying(&self, path: &str, said: &str) -> Response {
        let joint = if path.contains('?') { '&' } else { '?' };
        self.go(&format!("{path}{joint}said={said}"))
    }

    /// To confirm first that it is really this person, and then to another page of this organization.
    #[must_use]
    pub fn confirm(&self, then: &str) -> Response {
        Redirect::to(&sign_in(&self.organization.slug, &self.at(then), true)).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::of(crate::code::Own::Auth001))
    }
}

impl<S: Sync> FromRequestParts<S> for Passer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal("a page without a guard"))
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn exactly_one_cookie_of_this_organization_counts() {
        let org: OrgId = OrgId::cloud();
        let name = cookie_name(&org);
        let read = |cookies: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookies.parse().unwrap());
            session_cookie(&headers, &org)
        };
        assert_eq!(read(&format!("x=1; {name}=a.b")), Some("a.b".to_owned()));
        assert_eq!(read(&format!("{name}=a.b; {name}=c.d")), None);
        assert_eq!(read("__Host-lk-s-other=a.b"), None);
        assert_eq!(read(&format!("{name}=a b")), None);
    }
}
