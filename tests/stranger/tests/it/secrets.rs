//! What the programs say when they are told to say everything: none of it is a secret.
//!
//! Everything between connector and server, and between connector and service, is written down on the way, so that the scan knows also those
//! secrets that nobody ever sees: the cookie of a sign-in, the response, the epochs.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::programs::{Ended, Running, bin, demo_service, quiet, until};
use crate::relay::Relay;
use crate::stranger::Cloud;

/// All that can be said, of both programs and whatever they are made of.
const TALKATIVE: [(&str, &str); 2] = [("LATCHKEY_LOG", "trace"), ("RUST_LOG", "trace")];
const PASSWORD: &str = "correct horse 1";

/// What must not be said, with a name for the report.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, text: &str) {
        assert!(text.len() >= 12, "{what} is too short to be looked for: {text:?}");
        self.0.push((what, text.to_owned()));
    }

    /// Bytes, in every form in which they might be written.
    fn bytes(&mut self, what: &'static str, bytes: &[u8]) {
        self.add(what, &STANDARD.encode(bytes));
        self.add(what, &URL_SAFE_NO_PAD.encode(bytes));
        self.add(what, &bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        self.add(what, &format!("{bytes:?}"));
    }

    /// A token or code: whole, and the part of it that is the seed, in any case.
    fn token(&mut self, what: &'static str, text: &str) {
        self.add(what, text.trim());
        let seed = text.trim().split('_').nth(3).unwrap();
        self.add(what, seed);
        self.add(what, &seed.to_uppercase());
    }

    /// The values that follow a mark in what was written down, up to any of the ends.
    fn after(&mut self, what: &'static str, text: &str, mark: &str, ends: &[char]) {
        let before = self.0.len();
        for found in text.split(mark).skip(1) {
            self.add(what, found.split(ends).next().unwrap());
        }
        assert!(self.0.len() > before, "no {what} was sent: the scan would look for nothing");
    }

    fn scan(&self, whose: &str, log: &str) {
        for (what, secret) in &self.0 {
            assert!(!log.contains(secret.as_str()), "{whose} says a secret: {what}");
        }
    }
}

#[test]
fn r26_a27_neither_program_says_a_secret_however_talkative() {
    let mut secrets = Secrets::default();
    // The connector knows the relay as the cloud.
    let between = Relay::open();
    let name = format!("localhost:{}", between.address.port());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let flags = ["--data", "d", "--listen", &listen, "--cloud-name", &name];
    let cloud = Cloud::serve(tempfile::tempdir().unwrap(), &flags, &TALKATIVE);
    between.stand_before(listen.parse().unwrap());
    let key = std::fs::read_to_string(cloud.path().join("d.key")).unwrap();
    secrets.bytes("master key", &URL_SAFE_NO_PAD.decode(key.trim()).unwrap());

    let at = cloud.operator(None);
    at.document("org create acme --name Acme");
    at.document("domain add acme.example");
    at.document("domain verify acme.example --operator-word lab");
    at.document("policy set --enabled --domain acme.example --jit");
    cloud.file("pw", PASSWORD);
    secrets.add("password", PASSWORD);
    let token = at.document("token create --description lab --domain acme.example --password-file pw");
    let text = token["device_token"].as_str().unwrap();
    cloud.file("token", text);
    secrets.token("device token", text);
    at.document(&format!("token reveal {} --password-file pw", token["id"].as_str().unwrap()));
    at.document("user create boss@acme.example");
    let code = at.document("code create --user boss@acme.example");
    let code = code["one_time_code"].as_str().unwrap();
    cloud.file("code", code);
    secrets.token("one-time code", code);
    let client = at.document("api-client create reader --scope users:read");
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    secrets.add("client secret", secret);
    let granted = ureq::post(format!("http://{name}/o/acme/oauth2/token"))
        .header("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
        .send_form([("grant_type", "client_credentials")]);
    let granted: Value = serde_json::from_str(&granted.unwrap().body_mut().read_to_string().unwrap()).unwrap();
    let access = granted["access_token"].as_str().unwrap();
    secrets.add("access token", access);
    let users = format!("http://{name}/api/v1/o/acme/users");
    ureq::get(users).header("authorization", format!("Bearer {access}")).call().unwrap();

    // The service, behind a relay of its own.
    let front = Relay::open();
    let origin = format!("http://{}", front.address);
    let mut service = Running::start(
        demo_service()
            .args(["--listen", "127.0.0.1:0", "--public-url", &origin])
            .args(["--idp-metadata", "idp.xml", "--metadata-out", "sp.xml"])
            .current_dir(cloud.path())
            .stdout(Stdio::piped()),
    );
    until("the service's metadata", || cloud.path().join("sp.xml").exists());
    at.document("service add wiki --metadata sp.xml");
    at.text("org idp-metadata --output idp.xml");
    let ready = BufReader::new(service.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    front.stand_before(ready.rsplit(' ').next().unwrap().parse().unwrap());

    // A device that enrolls with a code, signs in, renews, and signs in again.
    let mut said = String::new();
    let mut connector = |line: &str| -> Ended {
        // So much to say makes a loaded machine slow; what it could not grant in time it grants later.
        for _ in 0..20 {
            let mut command = quiet(bin().join("latchkey-connector"), cloud.path());
            command.args(["--state-dir", "s"]).args(line.split(' ')).envs(TALKATIVE);
            let ended = Ended::of(line, command.output().unwrap());
            said.push_str(&ended.err);
            if ended.exit != 7 {
                assert_eq!(ended.exit, 0, "{ended:#?}");
                return ended;
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        panic!("{line} was never served");
    };
    connector(&format!(
        "enroll --cloud-name {name} --user-domain acme.example --device-token-file token --user-name boss --user-claim-file code --json"
    ));
    let epoch = |secrets: &mut Secrets| {
        let state: Value = serde_json::from_slice(&std::fs::read(cloud.path().join("s/state.json")).unwrap()).unwrap();
        let e = state["record"]["epoch"]["e"].as_str().unwrap().to_owned();
        secrets.bytes("epoch", &URL_SAFE_NO_PAD.decode(e).unwrap());
    };
    epoch(&mut secrets);
    for file in std::fs::read_dir(cloud.path().join("s")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "p8") {
            secrets.bytes("private key", &std::fs::read(file).unwrap());
        }
    }
    let sign_in = format!("sign-in {origin}/secret --json");
    connector(&sign_in);
    connector("renew");
    epoch(&mut secrets);
    let reached = connector(&sign_in).document();
    assert_eq!((&reached["reached"], reached["login_name"].as_str()), (&true.into(), Some("boss@acme.example")));

    let (to_cloud, to_service) = (between.written(), front.written());
    secrets.after("binding cookie", &to_cloud, "__Host-lk-b=", &['\r', ';']);
    secrets.after("response", &to_service, "SAMLResponse=", &['\r', '&', ' ']);
    secrets.after("response", &to_cloud, "\"saml_response\":\"", &['"']);

    let log = std::fs::read_to_string(cloud.path().join("serve.log")).unwrap();
    // The scan finds what is there.
    assert!(
        log.contains("DEBUG") && log.contains("/signin/finish"),
        "the log is not at its most talkative: {}",
        &log[log.len().saturating_sub(3_000)..]
    );
    secrets.scan("the server", &log);
    secrets.scan("the connector", &said);
}
