//! An organization on an SQLite store, machines that enroll in it, and a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use latchkey_directory::audit::{Actor, ActorKind, AuditEvent};
use latchkey_directory::device::renew::OwnFacts;
use latchkey_directory::device::{Nonce, Outcome, Received, enroll};
use latchkey_directory::master::MasterKey;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{
    Binding, Device, DeviceToken, DeviceTokenPolicy, Domain, OneTimeCode as CodeRow, Organization, Session, User,
};
use latchkey_directory::refusal::Refused;
use latchkey_directory::scope::{Org, across};
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::table::Record;
use latchkey_directory::time::ManualClock;
use latchkey_directory::value::Json;
use latchkey_directory::values::{DomainState, KnownUsers, Leniency, TokenState, UserSource, UserStatus};
use latchkey_directory::{Bytes, Directory, Granted, OrgId, Timestamp};
use latchkey_store::sqlite::SqliteStore;
use latchkey_wire::message::{
    Bind, Common, DeviceFacts, Enroll, Evidence, Heartbeat, Message, Renew, Request, Unenroll, UserClaim, Version,
};
use latchkey_wire::sign::random_bytes;
use latchkey_wire::verify::{By, sign_request};
use latchkey_wire::*;
use zeroize::Zeroizing;

pub const DOMAIN: &str = "acme.example";
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub struct World {
    pub directory: Directory,
    pub clock: Arc<ManualClock>,
    pub org: OrgId,
    pub token: DeviceToken_,
    /// Removed with the world.
    _folder: tempfile::TempDir,
}

pub type DeviceToken_ = latchkey_wire::DeviceToken;
pub type Answer = Result<Outcome, Refused>;

/// What a machine is and remembers.
pub struct Machine {
    pub dk: P256Key,
    pub uk: P256Key,
    pub claim: Option<String>,
    pub codes: Vec<OneTimeCode>,
    pub n: u64,
    pub e: EpochSecret,
    pub id: String,
    pub facts: DeviceFacts,
}

impl Machine {
    pub fn new(claim: &str) -> Self {
        Self { claim: Some(format!("{claim}@{DOMAIN}")), ..Self::nobody() }
    }

    pub fn nobody() -> Self {
        Self {
            dk: P256Key::generate(),
            uk: P256Key::generate(),
            claim: None,
            codes: Vec::new(),
            n: 0,
            e: EpochSecret::generate(),
            id: String::new(),
            facts: DeviceFacts {
                platform: Platform::Linux,
                os: Some("Debian GNU/Linux 13".into()),
                host: Some("pc-1".into()),
                serial: None,
                smbios_uuid: None,
                agent: "0.1.0".into(),
                external_device_id: None,
                ownership: None,
            },
        }
    }

    pub fn serial(mut self, serial: &str) -> Self {
        self.facts.serial = Some(serial.into());
        self
    }

    pub fn code(mut self, code: OneTimeCode) -> Self {
        self.codes.push(code);
        self
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.codes.iter().map(|code| Evidence::Code { id: code.id().clone() }).collect()
    }
}

pub fn admin() -> Actor {
    Actor { kind: ActorKind::User, id: "boss".into(), address: None }
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_000_000_000)));
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&folder.path().join("store.db"), clock.clone()).unwrap());
        let master = Arc::new(MasterKey::new(Zeroizing::new([7; 32])));
        let directory = Directory::new(store, clock.clone(), master);
        let token = latchkey_wire::DeviceToken::generate(Pin::of(&[1; 32]));
        let world = Self { directory, clock, org: "acme".parse().unwrap(), token, _folder: folder };
        world.organization(&world.org).await;
        world.add(world.token_row(&world.token)).await;
        world
    }

    /// An organization with a verified domain and an open policy.
    pub async fn organization(&self, org: &OrgId) {
        let now = self.now();
        self.add(Organization {
            org: org.clone(),
            slug: org.to_string(),
            name: org.to_string(),
            entity_id: "https://id.example/metadata".into(),
            certificate_lifetime_s: 7 * DAY.as_secs(),
            devices_per_user: 16,
            asleep_limit_s: 30 * DAY.as_secs(),
            max_tokens: 16,
            retire_after_s: 90 * DAY.as_secs(),
            created_at: now,
            updated_at: now,
        })
        .await;
        self.add(Domain {
            org: org.clone(),
            name: DOMAIN.into(),
            verification: DomainState::Verified,
            challenge: "x".into(),
            reason: None,
            verified_at: Some(now),
            last_seen_at: Some(now),
            missing_since: None,
            created_at: now,
        })
        .await;
        self.add(DeviceTokenPolicy {
            org: org.clone(),
            enabled: true,
            all_domains: false,
            domains: Json(vec![DOMAIN.into()]),
            jit: true,
            updated_at: now,
        })
        .await;
    }

    pub fn token_row(&self, token: &latchkey_wire::DeviceToken) -> DeviceToken {
        let now = self.now();
        DeviceToken {
            org: self.org.clone(),
            id: token.id().clone(),
            public_key: Json(token.public_key()),
            description: "lab".into(),
            sealed_seed: None,
            domains: Json(vec![DOMAIN.into()]),
            expires_at: now.plus(14 * DAY),
            max_uses: 1000,
            uses: 0,
            uses_per_minute: 600,
            platforms: Json(vec![]),
            networks: Json(vec![]),
            min_evidence: Level::Asserted,
            initial_state: DeviceState::Registered,
            known_users: KnownUsers::FirstDevice,
            on_known_serial: Leniency::Pending,
            on_second_device: Leniency::Pending,
            jit_groups: Json(vec![]),
            brake: None,
            expect: None,
            state: TokenState::Active,
            state_reason: None,
            creator: "boss".into(),
            replaced_by: None,
            created_at: now,
            updated_at: now,
            revoked_at: None,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.directory.now()
    }

    pub async fn add<R: Record + Clone + Sync + 'static>(&self, row: R) {
        let org = self.org_of(&row);
        self.directory.write::<_, StoreError>(move |tx| Org::of(tx, &org).add(&row)).await.unwrap();
    }

    pub async fn put<R: Record + Clone + Sync + 'static>(&self, row: R) {
        let org = self.org_of(&row);
        self.directory.write::<_, StoreError>(move |tx| Org::of(tx, &org).replace(&row)).await.unwrap();
    }

    fn org_of<R: Record>(&self, row: &R) -> OrgId {
        match &row.to_row()[0] {
            latchkey_directory::value::Value::Text(org) => org.parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn all<R: Record + 'static>(&self, filter: Filter) -> Vec<R> {
        self.directory.read::<_, StoreError>(move |tx| across::<R, _>(tx, filter)).await.unwrap()
    }

    pub async fn change_token(&self, change: impl FnOnce(&mut DeviceToken)) {
        let mut row: DeviceToken = self.all(DeviceToken::id.eq(self.token.id())).await.pop().unwrap();
        change(&mut row);
        self.put(row).await;
    }

    pub async fn token_now(&self) -> DeviceToken {
        self.all(DeviceToken::id.eq(self.token.id())).await.pop().unwrap()
    }

    pub async fn change_policy(&self, change: impl FnOnce(&mut DeviceTokenPolicy)) {
        let mut row: DeviceTokenPolicy = self.all(Filter::all()).await.pop().unwrap();
        change(&mut row);
        self.put(row).await;
    }

    pub async fn change_settings(&self, change: impl FnOnce(&mut Organization)) {
        let mut row: Organization = self.all(Filter::all()).await.pop().unwrap();
        change(&mut row);
        self.put(row).await;
    }

    pub async fn user(&self, name: &str, change: impl FnOnce(&mut User)) -> User {
        let now = self.now();
        let name = format!("{name}@{DOMAIN}");
        let mut row = User {
            org: self.org.clone(),
            id: format!("user-{name}"),
            login_name: name.clone(),
            login_key: name,
            display_name: None,
            given_name: None,
            family_name: None,
            emails: Json(vec![]),
            department: None,
            status: UserStatus::Active,
            protected: false,
            source: UserSource::Import,
            attributes: Json::default(),
            taken_at: None,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        change(&mut row);
        self.add(row.clone()).await;
        row
    }

    pub async fn users(&self) -> Vec<User> {
        self.all(Filter::all()).await
    }

    pub async fn code_for(&self, user: &User, serial: Option<&str>) -> OneTimeCode {
        let code = OneTimeCode::generate(Pin::of(&[1; 32]));
        self.add(CodeRow {
            org: self.org.clone(),
            id: code.id().clone(),
            public_key: Json(code.public_key()),
            user_id: user.id.clone(),
            serial: serial.map(str::to_owned),
            expires_at: self.now().plus(3 * DAY),
            used_at: None,
            used_by: None,
            creator: "boss".into(),
            created_at: self.now(),
        })
        .await;
        code
    }

    pub async fn device(&self, id: &str) -> Device {
        self.all(Device::id.eq(&id.to_owned())).await.pop().unwrap()
    }

    pub async fn change_device(&self, id: &str, change: impl FnOnce(&mut Device)) {
        let mut row = self.device(id).await;
        change(&mut row);
        self.put(row).await;
    }

    pub async fn devices(&self) -> Vec<Device> {
        self.all(Filter::all()).await
    }

    pub async fn bindings(&self, device: &str) -> Vec<Binding> {
        self.all(Binding::device_id.eq(&device.to_owned())).await
    }

    pub async fn events(&self, action: &str) -> Vec<AuditEvent> {
        self.all(AuditEvent::action.eq(&action.to_owned())).await
    }

    /// A session as a sign-in through the device's binding leaves it.
    pub async fn session(&self, device: &str) -> Session {
        let binding = self.bindings(device).await.into_iter().next().expect("the device has a binding");
        let row = Session {
            org: self.org.clone(),
            id: format!("session-{device}"),
            user_id: binding.user_id,
            device_id: Some(device.to_owned()),
            binding_id: Some(binding.id),
            service_id: "s".into(),
            channel: "agent".into(),
            nonce: Bytes(*random_bytes()),
            assertion_id: format!("a-{device}"),
            level: Level::Asserted,
            created_at: self.now(),
            expires_at: self.now().plus(DAY),
            ended_at: None,
            ended_reason: None,
        };
        self.add(row.clone()).await;
        row
    }

    pub async fn session_ended(&self, device: &str) -> bool {
        let rows: Vec<Session> = self.all(Session::device_id.is(&device.to_owned())).await;
        rows.iter().all(|row| row.ended_at.is_some())
    }

    pub fn common(&self, nonce: &str) -> Common {
        Common {
            v: Version,
            iss: "https://id.acme.example".into(),
            org: self.org.to_string(),
            rk: Bytes([9; 32]),
            nonce: nonce.into(),
            iat: 0,
        }
    }

    pub fn nonce(&self) -> Nonce {
        Nonce { unique: Bytes(*random_bytes()), exp: self.now().plus(Duration::from_secs(120)) }
    }

    pub fn enrollment(&self, machine: &Machine, change: impl FnOnce(&mut Enroll)) -> enroll::Request {
        let token = &self.token;
        self.enrollment_by(token, machine, change)
    }

    pub fn enrollment_by(
        &self,
        token: &latchkey_wire::DeviceToken,
        machine: &Machine,
        change: impl FnOnce(&mut Enroll),
    ) -> enroll::Request {
        let mut body = Enroll {
            cloud: "https://id.acme.example".into(),
            domain: DOMAIN.into(),
            token_id: Some(token.id().clone()),
            dk_jwk: machine.dk.public().clone(),
            v_0: machine.e.commitment(),
            protection: Protection::Software,
            device: machine.facts.clone(),
            user: machine.claim.clone().map(|claim| UserClaim {
                uk_jwk: machine.uk.public().clone(),
                claim,
                source: ClaimSource::Option,
                os_account: "anna".into(),
            }),
            evidence: machine.evidence(),
            replaces: None,
            dry_run: false,
        };
        change(&mut body);
        let with_user = body.user.is_some();
        let message = Message { common: self.common("nonce"), body };
        let token_key = token.signing_key();
        let code_keys: Vec<_> = machine.codes.iter().map(OneTimeCode::signing_key).collect();
        let mut by = vec![By::key(&machine.dk), By::credential(token, &token_key)];
        if with_user {
            by.push(By::key(&machine.uk));
        }
        by.extend(machine.codes.iter().zip(&code_keys).map(|(code, key)| By::credential(code, key)));
        let sent = sign_request(&message, &machine.dk.public().thumbprint(), &by).unwrap();
        let verified = Posted::<Enroll>::parse(&sent.body)
            .unwrap()
            .verify_token(&token.public_key())
            .unwrap()
            .verify(|signer| match signer {
                verify::Signer::Code(id) => {
                    let code = machine.codes.iter().find(|code| code.id() == id);
                    code.map(OneTimeCode::public_key).ok_or(verify::NoKey)
                }
                _ => Err(verify::NoKey),
            })
            .unwrap();
        enroll::Request { message: verified, nonce: self.nonce(), address: "192.0.2.7".parse().ok() }
    }

    pub async fn enroll_with(&self, machine: &mut Machine, change: impl FnOnce(&mut Enroll)) -> Answer {
        let request = self.enrollment(machine, change);
        let outcome = self.granted(self.directory.enroll(&self.org, request).await)?;
        if let Some(id) = &outcome.device_id {
            machine.id.clone_from(id);
        }
        Ok(outcome)
    }

    pub async fn enroll(&self, machine: &mut Machine) -> Answer {
        self.enroll_with(machine, |_| ()).await
    }

    /// A machine that enrolled.
    pub async fn enrolled(&self, claim: &str) -> Machine {
        let mut machine = Machine::new(claim);
        self.enroll(&mut machine).await.unwrap();
        machine
    }

    pub fn granted(&self, decided: Result<Result<Granted<Outcome>, Refused>, StoreError>) -> Answer {
        decided.unwrap().map(|granted| granted.release(self.directory.clock().monotonic()).unwrap())
    }

    pub fn received<T: Request>(
        &self,
        machine: &Machine,
        body: T,
        by: &[By<'_>],
        verify: impl FnOnce(Posted<T>) -> Result<Verified<T>, WireError>,
    ) -> Received<T> {
        let dk = machine.dk.public().thumbprint();
        let message = Message { common: self.common("nonce"), body };
        let sent = sign_request(&message, &dk, by).unwrap();
        let message = verify(Posted::<T>::parse(&sent.body).unwrap()).unwrap();
        Received { message, dk, nonce: self.nonce(), address: "192.0.2.8".parse().ok() }
    }

    pub fn tag(&self, machine: &Machine) -> Bytes<32> {
        epoch::tag(&machine.e.commitment(), "nonce")
    }

    pub fn heartbeat_of(&self, machine: &Machine) -> Received<Heartbeat> {
        let body = Heartbeat { device_id: machine.id.clone(), n: machine.n, tag: self.tag(machine) };
        self.received(machine, body, &[By::key(&machine.dk)], |p| p.verify(|_| Ok(machine.dk.public().clone())))
    }

    pub async fn heartbeat(&self, machine: &Machine) -> Answer {
        let request = self.heartbeat_of(machine);
        self.granted(self.directory.heartbeat(&self.org, request).await)
    }

    pub async fn unenroll(&self, machine: &Machine) -> Answer {
        let body = Unenroll { device_id: machine.id.clone(), n: machine.n, tag: self.tag(machine) };
        let request =
            self.received(machine, body, &[By::key(&machine.dk)], |p| p.verify(|_| Ok(machine.dk.public().clone())));
        self.granted(self.directory.unenroll(&self.org, request).await)
    }

    pub fn renewal_of(&self, machine: &Machine, next: &EpochSecret, new: Option<&P256Key>) -> Received<Renew> {
        let body = Renew {
            device_id: machine.id.clone(),
            n: machine.n,
            e_n: machine.e.clone(),
            v_next: next.commitment(),
            certificate: None,
            facts: machine.facts.clone(),
            new_dk_jwk: new.map(|key| key.public().clone()),
        };
        let mut by = vec![By::key(&machine.dk)];
        by.extend(new.map(|key| By::key(key)));
        self.received(machine, body, &by, |p| p.verify(|_| Ok(machine.dk.public().clone())))
    }

    pub async fn renew_to(&self, machine: &Machine, next: &EpochSecret, new: Option<&P256Key>) -> Answer {
        let request = self.renewal_of(machine, next, new);
        self.granted(self.directory.renew(&self.org, request, None).await)
    }

    /// Renews and remembers, as a connector does.
    pub async fn renew(&self, machine: &mut Machine) -> Answer {
        let next = EpochSecret::generate();
        let outcome = self.renew_to(machine, &next, None).await?;
        if outcome.certificate.is_some() {
            machine.n += 1;
            machine.e = next;
        }
        Ok(outcome)
    }

    pub async fn renew_with(&self, machine: &Machine, next: &EpochSecret, own: OwnFacts) -> Answer {
        let request = self.renewal_of(machine, next, None);
        self.granted(self.directory.renew(&self.org, request, Some(own)).await)
    }

    pub async fn bind(&self, machine: &Machine, uk: &P256Key, claim: &str, codes: &[OneTimeCode]) -> Answer {
        let body = Bind {
            device_id: machine.id.clone(),
            n: machine.n,
            tag: self.tag(machine),
            uk_jwk: uk.public().clone(),
            claim: format!("{claim}@{DOMAIN}"),
            source: ClaimSource::Account,
            os_account: claim.into(),
            evidence: codes.iter().map(|code| Evidence::Code { id: code.id().clone() }).collect(),
        };
        let code_keys: Vec<_> = codes.iter().map(OneTimeCode::signing_key).collect();
        let mut by = vec![By::key(&machine.dk), By::key(uk)];
        by.extend(codes.iter().zip(&code_keys).map(|(code, key)| By::credential(code, key)));
        let request = self.received(machine, body, &by, |posted| {
            posted.verify(|signer| match signer {
                verify::Signer::Device => Ok(machine.dk.public().clone()),
                verify::Signer::Code(id) => {
                    codes.iter().find(|code| code.id() == id).map(OneTimeCode::public_key).ok_or(verify::NoKey)
                }
                _ => Err(verify::NoKey),
            })
        });
        self.granted(self.directory.bind(&self.org, request).await)
    }
}

/// The code of a refusal.
pub fn code(answer: Answer) -> Code {
    answer.map(|outcome| panic!("granted: {outcome:?}")).unwrap_err().code
}
