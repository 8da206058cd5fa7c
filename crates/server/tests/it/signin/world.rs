//! A cloud with one organization, one service, and people with devices, put straight into the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::FromArgMatches as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode};
use latchkey_directory::audit::{Actor, AuditEvent};
use latchkey_directory::master::MasterKey;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{
    Binding, Cloud, Device, DeviceTokenPolicy, Domain, Group, Membership, RefusalCount, Session, User,
};
use latchkey_directory::services::{Described, Entitled, NewService, ServiceSettings};
use latchkey_directory::store::{ReadWork, Store, StoreError, StoreFacts, WriteWork};
use latchkey_directory::table::Record;
use latchkey_directory::time::{Clock, ManualClock, SystemClock};
use latchkey_directory::value::{Json, StoredKey};
use latchkey_directory::values::{DomainState, UserSource, UserStatus};
use latchkey_directory::{Directory, Intent, Org, OrgId, Timestamp};
use latchkey_server::app::{App, assemble};
use latchkey_server::serve::config::{Said, Typed};
use latchkey_server::serve::settings::Settings;
use latchkey_server::serve::tls::TlsKeys;
use latchkey_store::postgres::PostgresStore;
use latchkey_store::sqlite::SqliteStore;
use latchkey_wire::message::{Challenge, Common, Message, Proof, Version};
use latchkey_wire::verify::{sign_proof, verify_statement};
use latchkey_wire::{
    BindingState, ClaimSource, DeviceState, EpochSecret, Level, P256Key, Platform, Protection, Sign as _, epoch,
};
use serde_json::Value;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use super::request::AuthnRequest;

pub(super) const ORIGIN: &str = "http://localhost:8470";
pub(super) const SP: &str = "https://wiki.example/sp";
pub(super) const ACS: &str = "https://wiki.example/acs";
const START: i64 = 1_795_000_000_000;

/// A store on which time passes while it writes, when told so.
struct Slow {
    inner: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    delay_ms: Arc<AtomicU64>,
}

impl Store for Slow {
    fn read(&self, work: ReadWork) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.read(work)
    }

    fn write(&self, work: WriteWork) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let result = self.inner.write(work).await;
            self.clock.advance(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst)));
            result
        })
    }

    fn facts(&self) -> &StoreFacts {
        self.inner.facts()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.ready()
    }

    fn copy_to<'a>(&'a self, file: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.copy_to(file)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

/// The cloud.
pub(super) struct World {
    pub(super) app: Arc<App>,
    pub(super) org: OrgId,
    pub(super) clock: Arc<ManualClock>,
    pub(super) delay_ms: Arc<AtomicU64>,
    router: Router,
    dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a refusal, or `ok`.
    pub(super) fn code(&self) -> String {
        if self.status.is_success() { "ok".into() } else { self.json()["code"].as_str().unwrap().into() }
    }

    /// The cookie that was set.
    pub(super) fn cookie(&self) -> String {
        let header = self.headers["set-cookie"].to_str().unwrap();
        header.strip_prefix("__Host-lk-b=").unwrap().split(';').next().unwrap().into()
    }

    /// The SAML response for the service, as an agent gets it.
    pub(super) fn saml(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        decode(self.json()["saml_response"].as_str().unwrap())
    }
}

pub(super) fn decode(base64: &str) -> String {
    String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap()
}

/// Base64, as a form carries it.
pub(super) fn encode(xml: &str) -> String {
    url::form_urlencoded::byte_serialize(STANDARD.encode(xml).as_bytes()).collect()
}

/// Somebody on a device.
pub(super) struct Person {
    pub(super) user: String,
    pub(super) device: String,
    pub(super) binding: String,
    pub(super) e: EpochSecret,
    pub(super) n: u64,
    dk: P256Key,
    uk: P256Key,
}

/// A sign-in under way.
pub(super) struct Started {
    pub(super) txn: String,
    pub(super) challenge: String,
    pub(super) cookie: String,
}

fn settings() -> Settings {
    let command = <Typed as clap::Args>::augment_args(clap::Command::new("serve").no_binary_name(true));
    let typed = Typed::from_arg_matches(&command.try_get_matches_from(Vec::<&str>::new()).unwrap()).unwrap();
    Settings::resolve(&Said::gather(&typed, |_| None).unwrap()).unwrap()
}

impl World {
    /// An empty cloud in this directory, or the one whose store is there.
    async fn open(dir: tempfile::TempDir, clock: Arc<ManualClock>) -> Self {
        let inner = Arc::new(SqliteStore::open(&dir.path().join("store"), clock.clone()).unwrap());
        Self::on(inner, clock.clone(), clock, dir).await
    }

    /// A node on a database that others are on too, by the machine's clock: PostgreSQL does not bear another one.
    pub(super) async fn node(url: &str) -> Self {
        let inner = Arc::new(PostgresStore::open(url, Arc::new(SystemClock)).await.unwrap());
        let unused = Arc::new(ManualClock::at(Timestamp::from_millis(START)));
        Self::on(inner, Arc::new(SystemClock), unused, tempfile::tempdir().unwrap()).await
    }

    async fn on(inner: Arc<dyn Store>, time: Arc<dyn Clock>, clock: Arc<ManualClock>, dir: tempfile::TempDir) -> Self {
        let delay_ms = Arc::new(AtomicU64::new(0));
        let store = Slow { inner, clock: clock.clone(), delay_ms: delay_ms.clone() };
        let master = MasterKey::new(Zeroizing::new([1; 32]));
        let directory = Directory::new(Arc::new(store), time, Arc::new(master));
        let stopping = tokio::sync::watch::channel(false).1;
        let app = assemble(directory, &Arc::new(settings()), TlsKeys::none(), stopping).await.unwrap();
        let org = match app.directory.organizations().await.unwrap().pop() {
            Some(there) => there.id,
            None => {
                let intent = Intent::of(&Actor::system());
                app.create_organization(&intent, "acme".into(), "Acme".into()).await.unwrap().id
            }
        };
        let router = latchkey_server::saml::routes().merge(latchkey_server::signin::routes());
        let router = router.merge(latchkey_server::portal::routes(&app)).with_state(app.clone());
        Self { app, org, clock, delay_ms, router, dir }
    }

    /// Another cloud that stands as this one does: making keys takes a second, copying them none.
    pub(super) async fn fork(&self) -> Self {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        self.app.directory.copy_to(&dir.path().join("store")).await.unwrap();
        Self::open(dir, self.clock.clone()).await
    }

    /// With the service `wiki`, entitled to everyone.
    pub(super) async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START)));
        let world = Self::open(tempfile::tempdir().unwrap(), clock).await;
        world.furnish().await;
        world
    }

    /// Gives it what [`World::new`] has.
    pub(super) async fn furnish(&self) {
        let now = self.now();
        let org = self.org.clone();
        let domain = Domain {
            org: org.clone(),
            name: "acme.example".into(),
            verification: DomainState::OperatorWord,
            challenge: "c".into(),
            reason: Some("lab".into()),
            verified_at: Some(now),
            last_seen_at: None,
            missing_since: None,
            created_at: now,
        };
        self.put(domain).await;
        self.set::<DeviceTokenPolicy>(
            Filter::all(),
            vec![
                DeviceTokenPolicy::enabled.set(&true),
                DeviceTokenPolicy::domains.set(&Json(vec!["acme.example".into()])),
            ],
        )
        .await;
        self.service("wiki", SP, ACS, ServiceSettings::default(), Level::Asserted).await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.app.directory.now()
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/o/{}/{rest}", self.org)
    }

    pub(super) fn sso(&self) -> String {
        format!("{ORIGIN}{}", self.path("saml/sso"))
    }

    pub(super) async fn put<R: Record + Clone + 'static>(&self, row: R) {
        let org = self.org.clone();
        let work = move |tx: &mut dyn latchkey_directory::store::WriteTx| Org::of(tx, &org).add(&row);
        self.app.directory.write::<_, StoreError>(work).await.unwrap();
    }

    pub(super) async fn set<R: Record>(
        &self,
        filter: Filter,
        set: Vec<(&'static str, latchkey_directory::value::Value)>,
    ) {
        self.set_of::<R>(self.org.clone(), filter, set).await;
    }

    pub(super) async fn set_of<R: Record>(
        &self,
        org: OrgId,
        filter: Filter,
        set: Vec<(&'static str, latchkey_directory::value::Value)>,
    ) {
        let work =
            move |tx: &mut dyn latchkey_directory::store::WriteTx| Org::of(tx, &org).update::<R>(filter.clone(), &set);
        let changed = self.app.directory.write::<_, StoreError>(work).await.unwrap();
        assert!(changed > 0, "nothing to change in {}", R::TABLE.name);
    }

    pub(super) async fn delete<R: Record>(&self, filter: Filter) {
        let org = self.org.clone();
        let work = move |tx: &mut dyn latchkey_directory::store::WriteTx| Org::of(tx, &org).delete::<R>(filter.clone());
        let deleted = self.app.directory.write::<_, StoreError>(work).await.unwrap();
        assert!(deleted > 0, "nothing to delete in {}", R::TABLE.name);
    }

    pub(super) async fn all<R: Record + 'static>(&self) -> Vec<R> {
        let org = self.org.clone();
        self.app.directory.read::<_, StoreError>(move |tx| Org::of(tx, &org).find::<R>(Filter::all())).await.unwrap()
    }

    pub(super) async fn service(&self, name: &str, entity_id: &str, acs: &str, settings: ServiceSettings, min: Level) {
        let http = latchkey_server::saml::known::http_policy(settings.allow_http);
        let metadata = latchkey_server::saml::known::by_hand(entity_id, &[acs.into()], http).unwrap();
        let described = Described {
            entity_id: entity_id.into(),
            acs: vec![acs.into()],
            metadata: metadata.into_bytes(),
            metadata_url: None,
        };
        let new =
            NewService { name: name.into(), described, settings, min_evidence: min, entitle: vec![Entitled::Everyone] };
        self.app.directory.create_service(&Intent::of(&Actor::system()), &self.org, new).await.unwrap();
    }

    /// Somebody with a registered device, bound at this level.
    pub(super) async fn person(&self, name: &str, level: Level) -> Person {
        let (dk, uk, e) = (P256Key::generate(), P256Key::generate(), EpochSecret::generate());
        let now = self.now();
        let org = self.org.clone();
        let id = |what: &str| format!("{what}-{name}-{}", level.number());
        let (user, device, binding) = (id("user"), id("device"), id("binding"));
        let login = format!("{name}@acme.example");
        self.put(User {
            org: org.clone(),
            id: user.clone(),
            login_name: login.clone(),
            login_key: format!("{login}{}", level.number()),
            display_name: Some(name.to_uppercase()),
            given_name: None,
            family_name: None,
            emails: Json(Vec::new()),
            department: None,
            status: UserStatus::Active,
            protected: false,
            source: UserSource::Local,
            attributes: Json::default(),
            taken_at: Some(now),
            created_at: now,
            updated_at: now,
            deleted_at: None,
        })
        .await;
        self.put(Device {
            org: org.clone(),
            id: device.clone(),
            key: StoredKey::of(dk.public()),
            dk: dk.public().thumbprint(),
            protection: Protection::Software,
            platform: Platform::Linux,
            os: None,
            host: None,
            serial: None,
            smbios_uuid: None,
            agent: "0.1.0".into(),
            external_device_id: None,
            ownership: None,
            state: DeviceState::Registered,
            state_reason: None,
            state_at: now,
            domain: "acme.example".into(),
            cur: 0,
            v_cur: e.commitment(),
            v_prev: None,
            prev_alive: false,
            v_0: e.commitment(),
            advanced_at: None,
            enrolled_user: Json(None),
            enrolled_reason: None,
            token_id: None,
            ceiling: Json::default(),
            certificate_expires_at: Some(now.plus(Duration::from_secs(7 * 86_400))),
            key_since: now,
            replaces: None,
            released_until: None,
            address: None,
            first_seen_at: now,
            last_seen_at: now,
            removed_at: None,
            seen_day: 0,
        })
        .await;
        self.put(Binding {
            org,
            id: binding.clone(),
            device_id: device.clone(),
            user_id: user.clone(),
            os_account: name.into(),
            user_key: StoredKey::of(uk.public()),
            uk: uk.public().thumbprint(),
            level,
            claim: login,
            source: ClaimSource::Account,
            state: BindingState::Active,
            state_reason: None,
            created_at: now,
            last_used_at: None,
            ended_at: None,
        })
        .await;
        Person { user, device, binding, e, n: 0, dk, uk }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 4 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Posts an AuthnRequest, as an agent or as a browser.
    pub(super) async fn post_request(&self, agent: bool, xml: &str, relay_state: Option<&str>) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLRequest", &STANDARD.encode(xml));
        if let Some(relay_state) = relay_state {
            form.append_pair("RelayState", relay_state);
        }
        self.post_form(agent, form.finish()).await
    }

    pub(super) async fn post_form(&self, agent: bool, form: String) -> Answer {
        let mut request =
            Request::post(self.path("saml/sso")).header("content-type", "application/x-www-form-urlencoded");
        if agent {
            request = request.header("latchkey-agent", "1");
        }
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    pub(super) fn request(&self) -> AuthnRequest {
        AuthnRequest {
            id: "_request1".into(),
            issuer: SP.into(),
            acs: Some(ACS.into()),
            destination: self.sso(),
            issued: self.now().to_string(),
            attributes: String::new(),
            inside: String::new(),
        }
    }

    /// The first half of an agent's sign-in.
    pub(super) async fn start(&self, request: &AuthnRequest) -> Started {
        let answer = self.post_request(true, &request.xml(), Some("/page?x=1")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let said = answer.json();
        let text = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("no {name}: {said}")).to_owned();
        Started { txn: text("txn"), challenge: text("challenge"), cookie: answer.cookie() }
    }

    /// What the challenge says, verified with the organization's key.
    pub(super) async fn challenge(&self, started: &Started) -> (Common, Challenge) {
        let keys = self.app.keys.of(&self.org).await.unwrap();
        let verified = verify_statement::<Challenge>(&started.challenge, &keys.challenge_published).unwrap();
        (verified.common().clone(), verified.body().clone())
    }

    /// A person's proof for a challenge, altered before it is signed.
    pub(super) async fn proof(
        &self,
        person: &Person,
        started: &Started,
        alter: impl FnOnce(&mut Common, &mut Proof),
    ) -> String {
        let (said, challenge) = self.challenge(started).await;
        let mut common = Common { v: Version, iat: said.iat, ..said };
        let mut body = Proof {
            txn_sha256: challenge.txn_sha256,
            device_id: person.device.clone(),
            binding_id: person.binding.clone(),
            channel: challenge.channel,
            n: person.n,
            tag: epoch::tag(&person.e.commitment(), &common.nonce),
            presence: false,
        };
        alter(&mut common, &mut body);
        let sent = sign_proof(&Message { common, body }, &person.dk.public().thumbprint(), &person.uk).unwrap();
        String::from_utf8(sent.body).unwrap()
    }

    pub(super) async fn finish(&self, started: &Started, proof: &str) -> Answer {
        self.finish_with(&started.txn, &started.cookie, Some(ORIGIN), proof).await
    }

    pub(super) async fn finish_with(&self, txn: &str, cookie: &str, origin: Option<&str>, proof: &str) -> Answer {
        let mut request = Request::post(self.path("signin/finish"))
            .header("content-type", "application/json")
            .header("latchkey-agent", "1")
            .header("cookie", format!("__Host-lk-b={cookie}"));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let body = serde_json::json!({"txn": txn, "proof": proof}).to_string();
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// A whole sign-in of this person with this request.
    pub(super) async fn sign_in_with(&self, person: &Person, request: &AuthnRequest) -> Answer {
        let started = self.start(request).await;
        let proof = self.proof(person, &started, |_, _| ()).await;
        self.finish(&started, &proof).await
    }

    /// A whole sign-in of this person to the wiki.
    pub(super) async fn sign_in(&self, person: &Person) -> Answer {
        self.sign_in_with(person, &self.request()).await
    }

    /// The full reason behind a refusal's reference, as an administrator reads it.
    pub(super) async fn reason(&self, answer: &Answer) -> String {
        let reference = answer.json()["ref"].as_str().unwrap().to_owned();
        self.reason_of(&reference).await
    }

    pub(super) async fn reason_of(&self, reference: &str) -> String {
        let found = self.all::<RefusalCount>().await.into_iter().find(|row| row.reference == reference);
        found.unwrap_or_else(|| panic!("{reference} leads nowhere")).detail
    }

    pub(super) async fn sessions(&self) -> Vec<Session> {
        self.all().await
    }

    pub(super) async fn events(&self, action: &str, outcome: &str) -> usize {
        let events = self.all::<AuditEvent>().await;
        events.iter().filter(|event| event.action == action && event.outcome == outcome).count()
    }

    /// Puts a person into a new group.
    pub(super) async fn group(&self, name: &str, protected: bool, person: &Person) {
        let (org, now) = (self.org.clone(), self.now());
        let id = format!("group-{name}");
        self.put(Group { org: org.clone(), id: id.clone(), name: name.into(), protected, created_at: now }).await;
        self.put(Membership { org, group_id: id, user_id: person.user.clone(), created_at: now }).await;
    }

    pub(super) async fn set_cloud(&self, set: Vec<(&'static str, latchkey_directory::value::Value)>) {
        self.set_of::<Cloud>(OrgId::cloud(), Filter::all(), set).await;
    }
}
