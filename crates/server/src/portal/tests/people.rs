//! People with roles and a session, without the way through the pages of a sign-in.

use latchkey_directory::access::{Holder, NewBrowserSession, begin_browser_session};
use latchkey_directory::audit::Actor;
use latchkey_directory::store::StoreError;
use latchkey_directory::users::NewUser;
use latchkey_directory::{Bytes, Intent, OrgId};
use latchkey_wire::Level;
use latchkey_wire::sign::random_bytes;

use crate::api::tests::world::{Answer, World};
use crate::portal::csrf::Of;
use crate::portal::visit::cookie_name;

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) org: OrgId,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

fn operator() -> Intent {
    Intent { may_give: latchkey_directory::access::MayGive::Everything, ..Intent::of(&Actor::system()) }
}

impl Person {
    /// A user of `acme` with this role, signed in by a passkey.
    pub(crate) async fn with_role(world: &World, name: &str, role: Option<&str>) -> Self {
        let directory = &world.app.directory;
        let org = directory.organization("acme").await.unwrap().id;
        let login = format!("{name}@acme.example");
        let new = NewUser { login_name: Some(login.clone()), ..NewUser::default() };
        let user = directory.create_user(&operator(), &org, new).await.unwrap();
        if let Some(role) = role {
            directory.give_role(&operator(), &org, role, &Holder::User(login)).await.unwrap();
        }
        Self::session_of(world, &org, &user.id).await
    }

    /// A new session of a user.
    pub(crate) async fn session_of(world: &World, org: &OrgId, user_id: &str) -> Self {
        let new = NewBrowserSession {
            user_id: user_id.to_owned(),
            methods: vec!["passkey".to_owned()],
            level: Level::Present,
            nonce: Bytes(*random_bytes::<16>()),
            address: None,
            agent: None,
        };
        let of = org.clone();
        let begun = world.app.directory.write::<_, StoreError>(move |tx| begin_browser_session(tx, &of, &new)).await;
        let secret = begun.unwrap().ok().unwrap();
        let id = secret.expose().split('.').next().unwrap().to_owned();
        Self {
            cookie: format!("{}={}", cookie_name(org), secret.expose()),
            csrf: world.app.form_key.token(Of::Session(&id)),
            org: org.clone(),
        }
    }

    /// Opens a page.
    pub(crate) async fn get(&self, world: &World, path: &str) -> Answer {
        world.ask("GET", path).public().header("cookie", &self.cookie).header("accept", "text/html").send().await
    }

    /// Fetches what is no text.
    pub(crate) async fn get_bytes(&self, world: &World, path: &str) -> (http::StatusCode, http::HeaderMap, Vec<u8>) {
        world.ask("GET", path).public().header("cookie", &self.cookie).send_bytes().await
    }

    /// Sends a form, with its token.
    pub(crate) async fn post(&self, world: &World, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(world, path, fields, &self.csrf, &[]).await
    }

    /// Sends a form with any token and headers.
    pub(crate) async fn post_with(
        &self,
        world: &World,
        path: &str,
        fields: &[(&str, &str)],
        csrf: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", csrf);
        for (name, value) in fields {
            form.append_pair(name, value);
        }
        let mut ask = world.ask("POST", path).public().header("cookie", &self.cookie).header("accept", "text/html");
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.bytes("application/x-www-form-urlencoded", form.finish().as_bytes()).send().await
    }
}
