//! The command line as an API client, over TLS: access token, trust, and what it refuses.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertifiedKey, KeyPair, PKCS_ECDSA_P256_SHA256, generate_simple_self_signed};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::cli_fake::{Asked, Told, anything, speak};
use crate::program::{last_line, latchkey};

struct Tls {
    dir: tempfile::TempDir,
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Tls {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(dir.path().join("ca.pem"), cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let (config, asked) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, list) = (listener.local_addr().unwrap().port(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                let list = list.clone();
                std::thread::spawn(move || speak(rustls::StreamOwned::new(connection, stream), &list, &answer));
            }
        });
        Tls { dir, port, asked }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = latchkey(arguments);
        command.current_dir(self.dir.path()).env("LATCHKEY_CLIENT_ID", "c:1").env("LATCHKEY_ORG", "acme");
        command.args(["--server", &format!("https://localhost:{}", self.port), "--ca-file", "ca.pem"]);
        command
    }

    fn without_org(&self, arguments: &[&str]) -> Output {
        std::fs::write(self.dir.path().join("secret"), "s3 cret\n").unwrap();
        self.command(arguments)
            .env_remove("LATCHKEY_ORG")
            .env("LATCHKEY_CLIENT_SECRET_FILE", "secret")
            .output()
            .unwrap()
    }

    fn with_secret(&self, arguments: &[&str]) -> Output {
        std::fs::write(self.dir.path().join("secret"), "s3 cret\n").unwrap();
        self.command(arguments).env("LATCHKEY_CLIENT_SECRET_FILE", "secret").output().unwrap()
    }
}

fn answer(asked: &Asked) -> Told {
    match asked.target.as_str() {
        "/o/acme/oauth2/token" => {
            Told::json(200, &json!({"access_token": "at1", "token_type": "Bearer", "expires_in": 600}))
        }
        "/o/-/oauth2/token" | "/o/bits/oauth2/token" => Told::json(401, &json!({"error": "invalid_client"})),
        _ => anything(asked),
    }
}

#[test]
fn a_secret_buys_a_bearer_token_for_the_calls() {
    let server = Tls::start();
    let output = server.with_secret(&["device", "list", "--all"]);
    assert!(output.status.success(), "{}", last_line(&output));
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("POST", "/o/acme/oauth2/token"));
    assert_eq!(asked[0].body, b"grant_type=client_credentials");
    let basic = format!("Basic {}", STANDARD.encode("c%3A1:s3+cret"));
    assert_eq!(asked[0].header("authorization"), Some(basic.as_str()));
    assert_eq!(asked[1].header("authorization"), Some("Bearer at1"));
    assert_eq!(asked[1].header("host"), Some(format!("localhost:{}", server.port).as_str()));
}

#[test]
fn a_private_key_signs_an_assertion_for_this_token_endpoint() {
    let server = Tls::start();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(server.dir.path().join("key.pem"), key.serialize_pem()).unwrap();
    let output = server.command(&["user", "show", "u"]).env("LATCHKEY_CLIENT_KEY_FILE", "key.pem").output().unwrap();
    assert!(output.status.success(), "{}", last_line(&output));
    let asked = server.asked.lock().unwrap().clone();
    let form: std::collections::HashMap<_, _> = url::form_urlencoded::parse(&asked[0].body).into_owned().collect();
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let parts: Vec<&str> = form["client_assertion"].split('.').collect();
    let decode = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = (decode(parts[0]), decode(parts[1]));
    assert_eq!(header["alg"], "ES256");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("c:1"), &json!("c:1")));
    assert_eq!(claims["aud"], format!("https://localhost:{}/o/acme/oauth2/token", server.port));
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 60 && claims["jti"].is_string());
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        rcgen::PublicKeyData::der_bytes(&key),
    );
    let signed = format!("{}.{}", parts[0], parts[1]);
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(parts[2]).unwrap()).unwrap();
}

#[test]
fn an_untrusted_server_is_sent_no_credentials() {
    let server = Tls::start();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(server.dir.path().join("ca.pem"), other.cert.pem()).unwrap();
    let output = server.with_secret(&["device", "list"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(last_line(&output).contains("DIR/tls/ca.pem"), "{}", last_line(&output));
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn credentials_that_are_refused_missing_or_doubled_are_named() {
    let server = Tls::start();
    let output = server.with_secret(&["device", "list", "--org", "bits"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(last_line(&output).contains("LK-AUTH-003"), "{}", last_line(&output));
    let output = server.without_org(&["device", "list"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(last_line(&output).contains("--org is missing"), "{}", last_line(&output));
    let output = server.command(&["device", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("LATCHKEY_CLIENT_SECRET_FILE"));
    let output = latchkey(&["device", "list", "--server", "http://id.corp.example"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_only_the_operator_may_do_is_not_even_asked() {
    let server = Tls::start();
    for line in ["org list", "org create x --name X", "org delete acme --yes", "backup b.lk"] {
        let output = server.with_secret(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(4), "{line}");
        assert!(last_line(&output).contains("LK-AUTH-004"), "{line}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
    assert!(server.with_secret(&["org", "show"]).status.success());
    assert_eq!(server.asked.lock().unwrap()[1].target, "/api/v1/o/acme");
}

#[test]
fn a_secret_file_that_is_not_there_is_named() {
    let server = Tls::start();
    let output = server.command(&["device", "list"]).env("LATCHKEY_CLIENT_SECRET_FILE", "nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("LATCHKEY_CLIENT_SECRET_FILE nowhere"), "{}", last_line(&output));
}
