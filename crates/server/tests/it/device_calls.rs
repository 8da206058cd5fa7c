//! The device interface as an attacker and as a connector meet it, on the real program.

use latchkey_server::enroll::certificate::OwnCertificate;
use latchkey_wire::message::{Heartbeat, Message, Reason};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_request};
use latchkey_wire::{
    BindingState, Code, DeviceState, DeviceToken, EpochSecret, Level, OneTimeCode, P256Key, Pin, Retry, Sign, Typ,
};
use serde_json::{Value, json};

use crate::device_lab::{DOMAIN, JOSE, Lab, Machine, NO_TAG, envelope, get};

#[test]
fn a_device_enrolls_renews_binds_and_leaves() {
    let lab = Lab::new();
    let mut machine = Machine::new("anna");
    let sent = lab.sign_enrollment(&machine, &lab.enrollment(&machine));
    let told = lab.post("enrollments", JOSE, &sent.body);
    assert_eq!(told.status, 201, "{}", told.body);
    let first = lab.result(&told, &sent).unwrap();
    assert_eq!((first.state, first.n), (DeviceState::Registered, 0));
    machine.id = first.device_id.clone().unwrap();
    let certificate = first.certificate.unwrap();
    let own = OwnCertificate::verify(&lab.cloud.document().device_ca, &certificate.0).unwrap();
    assert_eq!((own.extension().device_id.as_str(), own.device_key()), (machine.id.as_str(), machine.dk.public()));
    machine.certificate = Some(certificate.0);
    // The same again, with a new nonce: nothing is used up.
    assert_eq!(lab.enroll(&mut machine).status, 200);
    assert_eq!(lab.command(&["token", "list"])["items"][0]["uses"], 1);

    let next = EpochSecret::generate();
    let (told, sent) = lab.renew_to(&machine, &next);
    let renewed = lab.result(&told, &sent).unwrap();
    assert_eq!((told.status, renewed.n), (200, 1));
    (machine.n, machine.e) = (1, next);
    let (told, sent) = lab.heartbeat(&machine);
    assert_eq!(lab.result(&told, &sent).unwrap().renew_at, renewed.renew_at);

    let file = lab.place.text("code");
    lab.command(&["user", "create", "bert@acme.example"]);
    lab.command(&["code", "create", "--user", "bert@acme.example", "--output", &file]);
    let code = OneTimeCode::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (told, sent) = lab.bind(&machine, &P256Key::generate(), "bert", Some(&code));
    assert_eq!(told.status, 201, "{}", told.body);
    let bound = lab.result(&told, &sent).unwrap();
    let bert = bound.bindings.iter().find(|b| b.login_name == "bert@acme.example").unwrap();
    assert_eq!((bert.state, bert.level), (BindingState::Active, Level::MdmSigned));
    // The code's holder is told that it is used, and that only another one helps.
    let (told, _) = lab.bind(&machine, &P256Key::generate(), "bert", Some(&code));
    assert_eq!(told.code(), (403, "LK-ENROLL-027"));
    let words = |member: &str| told.body[member].as_str().unwrap_or_default().to_owned();
    assert!(words("detail").contains("used before") && words("fix").contains("latchkey code create"), "{}", told.body);

    let (told, sent) = lab.unenroll(&machine);
    assert_eq!(lab.result(&told, &sent).unwrap().state, DeviceState::Unregistered);
    let (told, sent) = lab.heartbeat(&machine);
    assert_eq!(told.code(), (403, "LK-PROOF-022"));
    assert_eq!(lab.refusal(&told, &sent).unwrap().state, Some(DeviceState::Unregistered));
}

fn copy(key: &P256Key) -> P256Key {
    P256Key::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
}

/// Every value of a JSON document, by its path.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, v)| leaves(v, &format!("{path}/{name}"), out)),
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, v)| leaves(v, &format!("{path}/{at}"), out));
        }
        _ => out.push(path.to_owned()),
    }
}

fn altered(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            // The last character of base64url may carry bits that do not count; the first always does.
            let first = if text.starts_with('A') { "B" } else { "A" };
            Value::String(format!("{first}{}", &text[1..]))
        }
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::Bool(truth) => json!(!truth),
        Value::Array(_) => json!([{"type": "code", "id": "aaaaaaaaaa"}]),
        Value::Null | Value::Object(_) => json!([]),
    }
}

#[test]
fn r07_no_field_of_an_enrollment_can_be_changed() {
    let lab = Lab::new();
    let machine = Machine::new("anna");
    let message = lab.enrollment(&machine);
    let sent = lab.sign_enrollment(&machine, &message);
    let good: Value = serde_json::from_slice(&sent.body).unwrap();
    let payload: Value = serde_json::from_slice(&message.to_payload().unwrap()).unwrap();
    let mut paths = Vec::new();
    leaves(&payload, "", &mut paths);
    assert!(paths.len() >= 25, "{paths:?}");
    for path in &paths {
        let mut changed = payload.clone();
        let place = changed.pointer_mut(path).unwrap();
        *place = altered(place);
        let mut body = good.clone();
        body["payload"] = json!(latchkey_wire::bytes::to_base64url(changed.to_string().as_bytes()));
        let told = lab.post("enrollments", JOSE, body.to_string().as_bytes());
        assert_eq!(told.status, 401, "{path}: {}", told.body);
    }
    for at in 0..3 {
        for part in ["protected", "signature"] {
            let mut body = good.clone();
            let text = body["signatures"][at][part].clone();
            body["signatures"][at][part] = altered(&text);
            assert_eq!(lab.post("enrollments", JOSE, body.to_string().as_bytes()).status, 401, "{at} {part}");
        }
        let mut body = good.clone();
        body["signatures"].as_array_mut().unwrap().remove(at);
        assert_eq!(lab.post("enrollments", JOSE, body.to_string().as_bytes()).code(), (401, "LK-ENROLL-010"), "{at}");
    }
    assert_eq!(lab.command(&["device", "list"])["items"], json!([]));
    assert_eq!(lab.post("enrollments", JOSE, &sent.body).status, 201, "unchanged it is good");
}

#[test]
fn messages_of_another_form_are_refused_before_anything_is_looked_up() {
    let lab = Lab::new();
    let machine = Machine::new("anna");
    let message = lab.enrollment(&machine);
    let token_key = lab.token.signing_key();
    let signers = lab.enrollers(&machine, &token_key);
    let text = String::from_utf8(message.to_payload().unwrap()).unwrap();
    let open = &text[..text.len() - 1];
    let wrong = [
        ("a duplicate member", format!("{open},\"domain\":\"{DOMAIN}\"}}")),
        ("an unknown member", format!("{open},\"colour\":\"red\"}}")),
        ("null", format!("{open},\"replaces\":null}}")),
        ("an empty string", format!("{open},\"replaces\":\"\"}}")),
        ("another version", text.replace("\"v\":1", "\"v\":2")),
        ("a number too large", text.replace("\"iat\":0", "\"iat\":9007199254740992")),
        ("cut off", text[..text.len() / 2].to_owned()),
        ("too large", format!("{open},\"x\":\"{}\"}}", "x".repeat(70_000))),
    ];
    for (why, payload) in wrong {
        let told = lab.post("enrollments", JOSE, &envelope(Typ::Enroll, payload.as_bytes(), &signers));
        assert!(matches!(told.status, 401 | 413), "{why}: {} {}", told.status, told.body);
        assert!(told.body.get("signed").is_none(), "{why}");
    }
    // Signed, but for somebody else.
    for (member, value) in [("iss", "https://evil.example"), ("org", "other"), ("cloud", "https://evil.example")] {
        let mut payload: Value = serde_json::from_str(&text).unwrap();
        payload[member] = json!(value);
        let body = envelope(Typ::Enroll, payload.to_string().as_bytes(), &signers);
        assert_eq!(lab.post("enrollments", JOSE, &body).code(), (401, "LK-ENROLL-010"), "{member}");
    }
    // Another kind of message with the same signatures; a signature too many; one under another's name.
    let body = envelope(Typ::Heartbeat, text.as_bytes(), &signers);
    assert_eq!(lab.post("enrollments", JOSE, &body).code(), (401, "LK-ENROLL-010"));
    let more = P256Key::generate();
    let mut many = signers.clone();
    many.push((more.public().thumbprint().to_string(), &more));
    assert_eq!(lab.post("enrollments", JOSE, &envelope(Typ::Enroll, text.as_bytes(), &many)).status, 401);
    let mut forged = signers.clone();
    forged[0].1 = &more;
    assert_eq!(lab.post("enrollments", JOSE, &envelope(Typ::Enroll, text.as_bytes(), &forged)).status, 401);
    for junk in ["", "{}", "[]", "\u{0}", "{\"payload\":\"\",\"signatures\":[]}"] {
        assert_eq!(lab.post("enrollments", JOSE, junk.as_bytes()).code(), (401, "LK-ENROLL-010"), "{junk:?}");
    }
    assert_eq!(lab.post("enrollments", "application/json", b"{}").status, 415);
    assert_eq!(lab.post("nonces", "application/json", b"{}").code(), (400, "LK-API-001"));
    assert_eq!(lab.post("enrollments", JOSE, &envelope(Typ::Enroll, text.as_bytes(), &signers)).status, 201);
}

#[test]
fn r03_a_token_signs_enrollments_and_nothing_else() {
    let lab = Lab::new();
    let machine = lab.enrolled("anna");
    let token_key = lab.token.signing_key();
    let by_token: [(String, &dyn Sign); 1] = [(lab.token.kid(), &token_key)];
    for (path, purpose, typ) in [
        ("heartbeats", Purpose::Heartbeat, Typ::Heartbeat),
        ("unenrollments", Purpose::Unenroll, Typ::Unenroll),
        ("renewals", Purpose::Renew, Typ::Renew),
        ("bindings", Purpose::Bind, Typ::Bind),
    ] {
        let nonce = lab.nonce_for(purpose, machine.thumbprint(), &machine.id);
        let common = serde_json::to_value(lab.common(nonce)).unwrap();
        let mut payload = common.as_object().unwrap().clone();
        payload.insert("device_id".into(), json!(machine.id));
        payload.insert("n".into(), json!(0));
        match typ {
            Typ::Renew => {
                payload.insert("e_n".into(), json!(machine.e));
                payload.insert("v_next".into(), json!(NO_TAG));
                payload.insert("facts".into(), json!(crate::device_lab::facts()));
            }
            _ => drop(payload.insert("tag".into(), json!(NO_TAG))),
        }
        if typ == Typ::Bind {
            payload.insert("uk_jwk".into(), json!(machine.uk.public()));
            for (name, value) in [("claim", "anna@acme.example"), ("source", "option"), ("os_account", "anna")] {
                payload.insert(name.into(), json!(value));
            }
            payload.insert("evidence".into(), json!([]));
        }
        let payload = Value::Object(payload).to_string();
        let uk = (machine.uk.public().thumbprint().to_string(), &machine.uk as &dyn Sign);
        let mut signers = by_token.to_vec();
        if typ == Typ::Bind {
            signers.push(uk);
        }
        // Under its own name, and under the device's.
        for kid in [lab.token.kid(), machine.kid()] {
            signers[0].0 = kid;
            let told = lab.post(path, JOSE, &envelope(typ, payload.as_bytes(), &signers));
            assert_eq!(told.code(), (401, "LK-ENROLL-010"), "{path}");
        }
    }
    // Nor does it call the API.
    let url = lab.server.url("/api/v1/o/acme/devices");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.get(url).header("authorization", format!("Bearer {}", *lab.token.expose())).call().unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    let (told, _) = lab.heartbeat(&machine);
    assert_eq!(told.status, 200);
}

#[test]
fn a05_token_device_and_nonce_of_one_organization_are_nothing_at_another() {
    let lab = Lab::new();
    let machine = lab.enrolled("anna");
    let other = lab.command(&["org", "create", "other", "--name", "Other"])["id"].as_str().unwrap().to_owned();
    let new = Machine::new("bert");
    let sent = lab.sign_enrollment(&new, &lab.enrollment(&new));
    assert_eq!(lab.post_at(&other, "enrollments", JOSE, &sent.body).status, 401);
    assert_eq!(lab.post_at("nobody", "enrollments", JOSE, &sent.body).status, 401);
    let nonce = lab.nonce_for(Purpose::Heartbeat, machine.thumbprint(), &machine.id);
    for org in [other.as_str(), "nobody"] {
        let mut common = lab.common(nonce.clone());
        common.org = org.to_owned();
        let body = Heartbeat { device_id: machine.id.clone(), n: 0, tag: NO_TAG };
        let message = Message { common, body };
        let sent = sign_request(&message, &machine.thumbprint(), &[By::key(&machine.dk)]).unwrap();
        assert_eq!(lab.post_at(org, "heartbeats", JOSE, &sent.body).code(), (404, "LK-DEVICE-404"));
    }
    // A domain that nobody registered, and one that is asked for wrongly, tell nothing.
    let ask = |query: &str| get(&lab.server.url(&format!("/.well-known/latchkey{query}")));
    for unknown in ["?domain=other.example", "?domain=localhost", "?domain=10.0.0.1", "?domain=%00"] {
        let (status, text) = ask(unknown);
        assert_eq!(status, 404, "{unknown}: {text}");
        assert!(text.contains("LK-CLOUD-001") && !text.contains(DOMAIN));
        // The person reads the reference out, and the operator finds what the device was set up with.
        let told: Value = serde_json::from_str(&text).unwrap();
        let explained = lab.command(&["explain", told["ref"].as_str().unwrap()]);
        assert_eq!(explained["code"], "LK-CLOUD-001");
        assert!(explained["detail"].as_str().is_some_and(|detail| detail.contains("domain")), "{explained}");
    }
    assert_eq!((ask("").0, ask("?x=1").0), (400, 400));
}

#[test]
fn a07_the_same_bytes_twice_change_nothing() {
    let lab = Lab::new();
    let mut machine = Machine::new("anna");
    let sent = lab.sign_enrollment(&machine, &lab.enrollment(&machine));
    let told = lab.post("enrollments", JOSE, &sent.body);
    assert_eq!(told.status, 201);
    machine.id = lab.result(&told, &sent).unwrap().device_id.unwrap();
    assert_eq!(lab.post("enrollments", JOSE, &sent.body).code(), (401, "LK-NONCE-001"));
    assert_eq!(lab.command(&["token", "list"])["items"][0]["uses"], 1);
    let (heard, beat) = lab.heartbeat(&machine);
    let (bound, bind) = lab.bind(&machine, &P256Key::generate(), "bert", None);
    let (renewed, renewal) = lab.renew_to(&machine, &EpochSecret::generate());
    assert_eq!((heard.status, bound.status, renewed.status), (200, 201, 200));
    for (path, sent) in [("heartbeats", beat), ("bindings", bind), ("renewals", renewal)] {
        assert_eq!(lab.post(path, JOSE, &sent.body).code(), (401, "LK-NONCE-001"), "{path}");
    }
    let ahead = Machine { n: 7, id: machine.id.clone(), dk: copy(&machine.dk), ..Machine::new("x") };
    let (told, sent) = lab.heartbeat(&ahead);
    assert_eq!(told.code(), (403, "LK-PROOF-021"));
    assert_eq!(lab.post("heartbeats", JOSE, &sent.body).code(), (403, "LK-PROOF-021"), "a refusal consumes nothing");
    // A nonce of another purpose, key or id; one that was made up.
    let heartbeat = |nonce: String| {
        let body = Heartbeat { device_id: machine.id.clone(), n: 0, tag: NO_TAG };
        let message = Message { common: lab.common(nonce), body };
        let sent = sign_request(&message, &machine.thumbprint(), &[By::key(&machine.dk)]).unwrap();
        lab.post("heartbeats", JOSE, &sent.body)
    };
    let other = P256Key::generate().public().thumbprint();
    for nonce in [
        lab.nonce_for(Purpose::Renew, machine.thumbprint(), &machine.id),
        lab.nonce_for(Purpose::Heartbeat, other, &machine.id),
        lab.nonce_for(Purpose::Heartbeat, machine.thumbprint(), "another"),
        "made-up".to_owned(),
    ] {
        assert_eq!(heartbeat(nonce).code(), (401, "LK-NONCE-001"));
    }
}

#[test]
fn who_proves_nothing_is_told_nothing_and_who_proves_is_told_exactly() {
    let lab = Lab::new();
    let id = lab.token.id().to_string();
    lab.command(&["token", "revoke", &id, "--yes"]);
    let machine = Machine::new("anna");
    let message = lab.enrollment(&machine);
    let sent = lab.sign_enrollment(&machine, &message);
    let told = lab.post("enrollments", JOSE, &sent.body);
    assert_eq!(told.code(), (403, "LK-ENROLL-014"));
    let refusal = lab.refusal(&told, &sent).unwrap();
    assert_eq!((refusal.code.known(), refusal.retry), (Some(Code::Enroll014), Retry::Never));
    // The reference leads the administrator to the reason.
    let reference = told.body["ref"].as_str().unwrap().to_owned();
    let explained = lab.command(&["explain", &reference]).to_string();
    assert!(explained.contains("LK-ENROLL-014") && explained.contains("revoked"), "{explained}");

    let text = message.to_payload().unwrap();
    let forged = latchkey_wire::Ed25519Key::generate();
    let body = envelope(Typ::Enroll, &text, &lab.enrollers(&machine, &forged));
    let bad_signature = lab.post("enrollments", JOSE, &body);
    let foreign = DeviceToken::generate(Pin::of(&[1; 32]));
    let mut unknown = lab.enrollment(&machine);
    unknown.body.token_id = Some(foreign.id().clone());
    unknown.common.nonce = lab.nonce_for(Purpose::Enroll, machine.thumbprint(), foreign.id().as_str());
    let key = foreign.signing_key();
    let by = [By::key(&machine.dk), By::credential(&foreign, &key), By::key(&machine.uk)];
    let sent = sign_request(&unknown, &machine.thumbprint(), &by).unwrap();
    let no_such = lab.post("enrollments", JOSE, &sent.body);
    for told in [&bad_signature, &no_such] {
        assert_eq!(told.code(), (401, "LK-ENROLL-010"));
        assert!(told.body.get("signed").is_none());
        assert_eq!(told.body["detail"], bad_signature.body["detail"], "not a word of difference");
    }
}

#[test]
fn refusals_that_change_what_a_connector_does_are_signed() {
    let lab = Lab::new();
    let machine = lab.enrolled("anna");
    lab.command(&["device", "suspend", &machine.id]);
    let (told, sent) = lab.heartbeat(&machine);
    assert_eq!(lab.result(&told, &sent).unwrap().state, DeviceState::Suspended, "pending and suspended are results");
    let (told, sent) = lab.renew_to(&machine, &EpochSecret::generate());
    assert_eq!(told.code(), (403, "LK-RENEW-022"));
    assert_eq!(lab.refusal(&told, &sent).unwrap().state, Some(DeviceState::Suspended));
    lab.command(&["device", "resume", &machine.id]);

    lab.command(&["policy", "set", "--no-enabled"]);
    let new = Machine::new("bert");
    let sent = lab.sign_enrollment(&new, &lab.enrollment(&new));
    let told = lab.post("enrollments", JOSE, &sent.body);
    assert_eq!(told.code(), (403, "LK-ENROLL-020"));
    assert!(lab.refusal(&told, &sent).is_none(), "a back-off needs no signature");
    lab.command(&["policy", "set", "--enabled"]);
    assert_eq!(lab.post("enrollments", JOSE, &sent.body).status, 201, "and it heals by itself");

    // An old state of the same device.
    let next = EpochSecret::generate();
    assert_eq!(lab.renew_to(&machine, &next).0.status, 200);
    let (told, sent) = lab.renew_to(&machine, &EpochSecret::generate());
    assert_eq!(told.code(), (403, "LK-RENEW-023"));
    assert_eq!(lab.refusal(&told, &sent).unwrap().state, Some(DeviceState::Quarantined));

    let second = lab.enrolled("carl");
    lab.command(&["device", "remove", &second.id, "--yes"]);
    for _ in 0..2 {
        let (told, sent) = lab.heartbeat(&second);
        assert_eq!(told.code(), (403, "LK-DEVICE-410"));
        assert_eq!(lab.refusal(&told, &sent).unwrap().state, Some(DeviceState::Removed));
    }
    // Who does not hold its key learns nothing about it.
    let stranger = Machine { id: second.id.clone(), ..Machine::new("x") };
    assert_eq!(lab.heartbeat(&stranger).0.code(), (404, "LK-DEVICE-404"));
    let states = lab.command(&["device", "list", "--state", "removed"]);
    assert_eq!(states["items"][0]["id"], json!(second.id));
}

#[test]
fn a_known_serial_waits_and_an_approval_is_all_it_needs() {
    let lab = Lab::new();
    lab.enrolled("anna");
    let mut machine = Machine::new("bert");
    let sent = lab.sign_enrollment(&machine, &lab.enrollment(&machine));
    let told = lab.post("enrollments", JOSE, &sent.body);
    assert_eq!(told.status, 201, "verified and accepted; the state says that it waits");
    let result = lab.result(&told, &sent).unwrap();
    assert_eq!((result.state, result.reason), (DeviceState::Pending, Some(Reason::Code(Code::Enroll030.into()))));
    machine.id = result.device_id.unwrap();
    lab.command(&["device", "approve", &machine.id]);
    let (told, sent) = lab.heartbeat(&machine);
    assert_eq!(lab.result(&told, &sent).unwrap().state, DeviceState::Registered);
    let (told, sent) = lab.renew_to(&machine, &EpochSecret::generate());
    assert!(lab.result(&told, &sent).unwrap().certificate.is_some());
}

#[test]
fn a26_who_sends_junk_is_told_to_stay_away_and_machines_behind_the_same_address_are_heard() {
    let lab = Lab::new();
    let machine = lab.enrolled("anna");
    let limited = (0..2_000).map(|_| lab.post("heartbeats", JOSE, b"junk")).find(|told| told.status == 429).unwrap();
    assert!(limited.retry_after.is_some());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for path in ["heartbeats", "enrollments"] {
            let (lab, over) = (&lab, &over);
            scope.spawn(move || {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    lab.post(path, JOSE, b"junk");
                }
            });
        }
        let told: Vec<_> = (0..5).map(|_| lab.heartbeat(&machine).0.status).collect();
        let enrolled = lab.enroll(&mut Machine::new("ben")).status;
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((told, enrolled), (vec![200; 5], 201));
    });
}

#[test]
fn a_device_whose_clock_is_years_off_enrolls() {
    let lab = Lab::new();
    for (n, iat) in [1_000_000_000, lab.cloud.document().serial / 1000 + 31_536_000].into_iter().enumerate() {
        let machine = Machine::new(&format!("u{n}"));
        let mut message = lab.enrollment(&machine);
        message.common.iat = iat;
        let sent = lab.sign_enrollment(&machine, &message);
        assert_eq!(lab.post("enrollments", JOSE, &sent.body).status, 201, "no device's clock is believed");
    }
}

#[test]
fn administrators_act_on_devices_and_bindings_by_id_and_by_filter() {
    let lab = Lab::new();
    let anna = lab.enrolled("anna");
    let mut twin = Machine::new("anna");
    assert_eq!(lab.enroll(&mut twin).status, 201);
    let states = |filter: &[&str]| -> Vec<String> {
        let list = lab.command(&[&["device", "list"], filter].concat());
        list["items"].as_array().unwrap().iter().map(|d| d["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&[]), ["pending", "registered"], "newest first");
    assert_eq!(states(&["--query", "ANNA@acme"]).len(), 2, "by the beginning of the user's name");
    assert!(states(&["--query", "nna"]).is_empty());
    let file = lab.command(&["device", "export", "--state", "pending"]);
    let lines: Vec<&str> = file["csv"].as_str().unwrap().lines().collect();
    assert!(lines[0].starts_with("id,state,") && lines.len() == 2, "{lines:?}");
    assert!(lines[1].starts_with(&format!("{},pending,", twin.id)), "{lines:?}");
    let would = lab.command(&["device", "approve", "--state", "pending", "--dry-run", "--yes"]);
    assert_eq!((&would["would"]["devices"], states(&["--state", "pending"]).len()), (&json!(1), 1), "{would}");
    let did = lab.command(&["device", "approve", "--state", "pending", "--yes"]);
    assert_eq!((&did["devices"], states(&[])), (&json!(1), vec!["registered".into(), "registered".into()]), "{did}");

    let pending = lab.command(&["binding", "list", "--state", "pending"]);
    let id = pending["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(pending["items"][0]["device_id"], json!(twin.id));
    assert_eq!(lab.command(&["binding", "approve", &id])["state"], "active");
    lab.command(&["binding", "remove", &id, "--yes"]);
    assert_eq!(lab.command(&["binding", "show", &id])["state"], "ended");

    let would = lab.command(&["device", "remove", &anna.id, "--force", "--dry-run"]);
    assert_eq!(would["would"]["devices"], 1);
    assert_eq!(lab.command(&["device", "show", &anna.id])["state"], "registered", "nothing happened");
    lab.command(&["device", "remove", "--user", "anna@acme.example", "--force", "--yes"]);
    assert_eq!(states(&[]), ["removed", "removed"]);
    let (told, sent) = lab.heartbeat(&anna);
    assert_eq!(lab.refusal(&told, &sent).unwrap().code.known(), Some(Code::Device410));
}
