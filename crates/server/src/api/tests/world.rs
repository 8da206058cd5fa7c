//! A cloud in a temporary directory, and a way to ask it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use latchkey_directory::Directory;
use latchkey_directory::Timestamp;
use latchkey_directory::master::MasterKey;
use latchkey_directory::time::ManualClock;
use latchkey_store::sqlite::SqliteStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use crate::api::Shared;
use crate::app::assemble;
use crate::serve::config::{Said, Typed};
use crate::serve::host::ClientAddr;
use crate::serve::listen::Operator;
use crate::serve::settings::Settings;
use crate::serve::tls::TlsKeys;

/// When the tests take place.
const NOW: &str = "2026-11-24T20:00:00Z";

pub(crate) struct World {
    pub(crate) app: Shared,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
    pub(crate) public: Router,
    operator: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The answer of a call that had to succeed.
    pub(crate) fn good(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Status and code of a call that had to fail, with a whole problem document.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let document = self.json();
        assert!(!self.status.is_success(), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(document["status"], self.status.as_u16());
        for member in ["type", "title", "detail", "fix", "ref", "code"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", self.text);
        }
        assert!(document["errors"].is_array());
        (self.status.as_u16(), document["code"].as_str().unwrap().to_owned())
    }

    /// The pointers of the wrong fields.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let document = self.json();
        let errors = document["errors"].as_array().unwrap();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

/// A request that is being put together.
pub(crate) struct Ask<'a> {
    world: &'a World,
    request: http::request::Builder,
    body: Vec<u8>,
    public: bool,
    address: IpAddr,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_settings(&[]).await
    }

    /// A world with acme in which mail is set up. What is sent stays in the outbox: nothing empties it.
    pub(crate) async fn with_mail() -> Self {
        let mail = [("LATCHKEY_MAIL_SERVER", "127.0.0.1:9"), ("LATCHKEY_MAIL_TLS", "off")];
        let world = Self::with_settings(&[mail[0], mail[1], ("LATCHKEY_MAIL_FROM", "latchkey@acme.example")]).await;
        world.organization("acme").await;
        world.post("/api/v1/o/acme/domains", json!({"name": "acme.example"})).await.good();
        world
    }

    async fn with_settings(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW.parse().unwrap()));
        let store = SqliteStore::open(&folder.path().join("store.db"), Arc::clone(&clock) as _).unwrap();
        let master = Arc::new(MasterKey::new(Zeroizing::new([7; 32])));
        let directory = Directory::new(Arc::new(store), Arc::clone(&clock) as _, master);
        let data = folder.path().join("data");
        let environment = |name: &str| match name {
            "LATCHKEY_LISTEN" => Some("127.0.0.1:8470".into()),
            "LATCHKEY_DATA" => Some(data.clone().into_os_string()),
            name => more.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
        };
        let settings = Arc::new(Settings::resolve(&Said::gather(&Typed::default(), environment).unwrap()).unwrap());
        let stopping = tokio::sync::watch::channel(false).1;
        let app = assemble(directory, &settings, TlsKeys::none(), stopping).await.unwrap();
        let (public, operator) = crate::api::routes(&app);
        let public = public.merge(crate::signin::routes()).merge(crate::portal::routes(&app));
        let with = |router: Router<Shared>| router.with_state(Arc::clone(&app));
        Self { public: with(public), operator: with(operator), app, clock, folder }
    }

    /// A world with the organization `acme` and its domain `acme.example`.
    pub(crate) async fn with_acme() -> Self {
        let world = Self::new().await;
        world.organization("acme").await;
        world.post("/api/v1/o/acme/domains", json!({"name": "acme.example"})).await.good();
        world
    }

    /// An organization without keys: making those takes longer than a test should.
    pub(crate) async fn organization(&self, slug: &str) -> String {
        use latchkey_directory::orgs::NewOrganization;
        use latchkey_directory::{Intent, OrgId, audit::Actor};
        let id = OrgId::generate(self.app.directory.now());
        let new = NewOrganization {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            entity_id: self.app.entity_id(&id),
            id,
            keys: Vec::new(),
        };
        let view = self.app.directory.create_organization(&Intent::of(&Actor::system()), new).await.unwrap();
        view.id.to_string()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.directory.now()
    }

    /// A time so many seconds ahead.
    pub(crate) fn ahead(&self, seconds: u64) -> String {
        self.now().plus(std::time::Duration::from_secs(seconds)).to_string()
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        Ask {
            world: self,
            request: Request::builder().method(method).uri(path),
            body: Vec::new(),
            public: false,
            address: IpAddr::from([10, 0, 0, 9]),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path).send().await
    }

    pub(crate) fn post<'a>(&'a self, path: &str, body: Value) -> impl Future<Output = Answer> + use<'a> {
        self.ask("POST", path).json(&body).send()
    }

    pub(crate) fn patch<'a>(&'a self, path: &str, body: Value) -> impl Future<Output = Answer> + use<'a> {
        self.ask("PATCH", path).json(&body).send()
    }

    /// The policy, written over whatever it was.
    pub(crate) async fn policy(&self, policy: Value) {
        self.ask("PUT", "/api/v1/o/acme/device-token-policy").header("if-match", "*").json(&policy).send().await.good();
    }

    /// A token with the least that is required, and whatever is given beside.
    pub(crate) fn token(&self, more: &Value) -> Value {
        let mut body = json!({
            "description": "lab", "domains": ["acme.example"], "expires_at": self.ahead(86_400), "max_uses": 5, "sealed_copy": false,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    /// The letters that wait, each with its address, oldest first; they are taken out.
    pub(crate) async fn mailed(&self) -> Vec<(String, latchkey_directory::mail::Letter)> {
        let mut letters = Vec::new();
        for due in self.app.directory.due_mail(100).await.unwrap() {
            let claimed = self.app.directory.claim_mail(&due).await.unwrap().expect("nobody else takes it");
            self.app.directory.mail_sent(&claimed).await.unwrap();
            letters.push((claimed.recipient, claimed.letter));
        }
        letters
    }

    /// Every byte of the store's files.
    pub(crate) fn dump(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        let mut ask = self.header("content-type", "application/json");
        ask.body = body.to_string().into_bytes();
        ask
    }

    pub(crate) fn bytes(self, kind: &str, body: &[u8]) -> Self {
        let mut ask = self.header("content-type", kind);
        ask.body = body.to_vec();
        ask
    }

    /// Over the public listener, as nobody in particular.
    pub(crate) fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// From this address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.address = address.parse().unwrap();
        self
    }

    /// Over the public listener, with this access token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.public().header("authorization", &format!("Bearer {token}"))
    }

    /// The body of an answer that does not end.
    pub(crate) async fn stream(self) -> Body {
        let response = self.response().await;
        assert!(response.status().is_success(), "{}", response.status());
        response.into_body()
    }

    /// An answer that is no text.
    pub(crate) async fn send_bytes(self) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (parts, body) = self.response().await.into_parts();
        (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    pub(crate) async fn send(self) -> Answer {
        let (parts, body) = self.response().await.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn response(self) -> http::Response<Body> {
        let mut request = self.request.body(Body::from(self.body)).unwrap();
        request.extensions_mut().insert(ClientAddr(self.address));
        let router = if self.public {
            self.world.public.clone()
        } else {
            request.extensions_mut().insert(Operator::for_tests(0));
            self.world.operator.clone()
        };
        router.oneshot(request).await.unwrap()
    }
}
