//! What each command line of cli.md asks the server: method, address and body, to the letter.

use serde_json::{Value, json};

use crate::cli_fake::{Asked, Fake};

/// `METHOD address` below the organization and the body; times that depend on now are replaced by `NOW`.
fn call(asked: &Asked) -> (String, Value) {
    let target = asked.target.replace("/api/v1/o/acme", "");
    (format!("{} {target}", asked.method), steady(asked.json()))
}

fn steady(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        for name in ["expires_at", "quarantine_since"] {
            if members.get(name).and_then(Value::as_str).is_some_and(|t| t.ends_with('Z') && t.contains('.')) {
                members.insert(name.to_owned(), "NOW".into());
            }
        }
    }
    body
}

/// Runs each line and compares the only call it makes.
fn each(fake: &Fake, lines: &[(&str, &str, Value)]) {
    for (line, expected, body) in lines {
        let arguments = words(line);
        let output = fake.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        let calls: Vec<_> = fake.asked().iter().map(call).collect();
        assert_eq!(calls, [((*expected).to_owned(), body.clone())], "{line}");
    }
}

/// Splits a line as a shell would, as far as these lines need it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn organizations() {
    let fake = Fake::start();
    let org = "/api/v1/organizations";
    each(
        &fake,
        &[
            ("org create acme --name 'Acme Ltd'", &format!("POST {org}"), json!({"slug": "acme", "name": "Acme Ltd"})),
            (
                "org set acme --name T --certificate-lifetime 7d --devices-per-user 16 --asleep-limit 30d --max-tokens 16 --retire-after 90d",
                &format!("PATCH {org}/acme"),
                json!({"name": "T", "certificate_lifetime_s": 604_800, "devices_per_user": 16, "asleep_limit_s": 2_592_000,
                    "max_tokens": 16, "retire_after_s": 7_776_000}),
            ),
            ("org list", &format!("GET {org}?limit=50"), Value::Null),
            ("org show acme", &format!("GET {org}/acme"), Value::Null),
            ("org delete acme --yes", &format!("DELETE {org}/acme"), Value::Null),
            ("org idp-metadata", "GET /idp-metadata", Value::Null),
        ],
    );
}

#[test]
fn domains_and_policy() {
    let fake = Fake::start();
    each(
        &fake,
        &[
            ("domain add corp.example", "POST /domains", json!({"name": "corp.example"})),
            ("domain verify corp.example", "POST /domains/corp.example/verify", json!({})),
            ("domain verify corp.example --wait 10m", "POST /domains/corp.example/verify", json!({})),
            (
                "domain verify corp.example --operator-word lab",
                "POST /domains/corp.example/verify",
                json!({"operator_word": "lab"}),
            ),
            ("domain list --limit 7 --after c/1", "GET /domains?limit=7&after=c%2F1", Value::Null),
            ("domain show corp.example", "GET /domains/corp.example", Value::Null),
            ("domain remove corp.example --yes", "DELETE /domains/corp.example", Value::Null),
            ("domain remove corp.example --dry-run", "DELETE /domains/corp.example?dry_run=true", Value::Null),
            ("policy show", "GET /device-token-policy", Value::Null),
        ],
    );
    for (line, expected) in [
        (
            "policy set --enabled --domain a.example --domain b.example --jit",
            json!({"enabled": true, "all_domains": false, "domains": ["a.example", "b.example"], "jit": true}),
        ),
        (
            "policy set --all-domains --no-jit",
            json!({"enabled": false, "all_domains": true, "domains": ["old.example"], "jit": false}),
        ),
    ] {
        assert!(fake.run(&words(line).iter().map(String::as_str).collect::<Vec<_>>()).status.success());
        let asked = fake.asked();
        assert_eq!(call(&asked[1]), ("PUT /device-token-policy".to_owned(), expected));
        assert_eq!(asked[1].header("if-match"), Some("\"7\""));
    }
}

#[test]
fn tokens() {
    let fake = Fake::start();
    fake.with("pw", "correct horse 1\n");
    let id = "/device-tokens/t1";
    each(
        &fake,
        &[
            (
                "token create --description lab --domain acme.example --no-sealed-copy",
                "POST /device-tokens",
                json!({"description": "lab", "domains": ["acme.example"], "expires_at": "NOW", "max_uses": 1000, "sealed_copy": false}),
            ),
            (
                "token create --description T --domain a.example --domain b.example --password-file pw --expires 14d --max-uses 9 --uses-per-minute 600 \
                 --platform linux --platform macos --network 10.0.0.0/8 --min-evidence 3 --initial-state pending --known-users pending \
                 --on-known-serial allow --on-second-device allow --jit-group staff --brake 10% --expect 20000",
                "POST /device-tokens",
                json!({"description": "T", "domains": ["a.example", "b.example"], "password": "correct horse 1", "expires_at": "NOW", "max_uses": 9,
                    "uses_per_minute": 600, "platforms": ["linux", "macos"], "networks": ["10.0.0.0/8"], "min_evidence": 3, "initial_state": "pending",
                    "known_users": "pending", "on_known_serial": "allow", "on_second_device": "allow", "jit_groups": ["staff"], "brake": 10, "expect": 20000}),
            ),
            (
                "token set t1 --max-uses 5 --expires 1d",
                &format!("PATCH {id}"),
                json!({"max_uses": 5, "expires_at": "NOW"}),
            ),
            (
                "token set t1 --domain a.example --loosen",
                &format!("PATCH {id}?loosen=true"),
                json!({"domains": ["a.example"]}),
            ),
            (
                "token reveal t1 --password-file pw",
                &format!("POST {id}/reveal"),
                json!({"password": "correct horse 1"}),
            ),
            (
                "token rotate t1 --overlap 7d --no-sealed-copy",
                &format!("POST {id}/rotate"),
                json!({"overlap_s": 604_800, "sealed_copy": false}),
            ),
            ("token disable t1", &format!("POST {id}/disable"), json!({})),
            ("token enable t1", &format!("POST {id}/enable"), json!({})),
            ("token revoke t1 --yes", &format!("POST {id}/revoke"), json!({})),
            (
                "token revoke t1 --yes --quarantine-since 2d",
                &format!("POST {id}/revoke"),
                json!({"quarantine_since": "NOW"}),
            ),
            ("token revoke t1 --dry-run", &format!("POST {id}/revoke?dry_run=true"), json!({})),
            ("token list --all", "GET /device-tokens?limit=1000", Value::Null),
            ("token show t1", &format!("GET {id}"), Value::Null),
            ("token uses t1", &format!("GET {id}/uses?limit=50"), Value::Null),
            ("token failures t1", &format!("GET {id}/failures?limit=50"), Value::Null),
            ("token watch t1 --once", &format!("GET {id}/watch"), Value::Null),
            ("token identify pw", "POST /device-tokens/identify", json!({"text": "correct horse 1"})),
        ],
    );
    assert!(fake.feed(&["token", "identify", "-"], "export T=lkdt1_x\n").status.success());
    assert_eq!(fake.asked()[0].json(), json!({"text": "export T=lkdt1_x"}));
}

#[test]
fn services() {
    let fake = Fake::start();
    fake.with("sp.xml", "<x/>");
    fake.with("rules.json", "{\"mail\": \"emails\"}");
    fake.with("federation.pem", "PEM\n");
    each(
        &fake,
        &[
            ("service add wiki --metadata sp.xml", "POST /services", json!({"name": "wiki", "metadata": "<x/>"})),
            (
                "service add wiki --metadata https://wiki.example/m --entitle group:staff --entitle user:anna@a.example --min-evidence 3 --sign both",
                "POST /services",
                json!({"name": "wiki", "metadata_url": "https://wiki.example/m", "entitle": ["group:staff", "user:anna@a.example"], "min_evidence": 3, "sign": "both"}),
            ),
            (
                "service add wiki --entity-id urn:x --acs https://w.example/a --acs https://w.example/b --name-id unspecified:department --attributes rules.json \
                 --algorithm ecdsa-p256 --idp-initiated --allow-http",
                "POST /services",
                json!({"name": "wiki", "entity_id": "urn:x", "acs": ["https://w.example/a", "https://w.example/b"], "name_id": "unspecified:department",
                    "attributes": {"mail": "emails"}, "algorithm": "ecdsa-p256", "idp_initiated": true, "allow_http": true}),
            ),
            (
                "service set wiki --attributes none --no-idp-initiated",
                "PATCH /services/wiki",
                json!({"attributes": "none", "idp_initiated": false}),
            ),
            ("service refresh wiki", "POST /services/wiki/refresh", json!({})),
            ("service refresh wiki --approve 5f1c", "POST /services/wiki/refresh", json!({"approve": "5f1c"})),
            (
                "service set wiki --metadata-certificate federation.pem",
                "PATCH /services/wiki",
                json!({"metadata_certificate": "PEM\n"}),
            ),
            (
                "service set wiki --metadata-certificate ''",
                "PATCH /services/wiki",
                json!({"metadata_certificate": null}),
            ),
            (
                "service preview wiki --user anna@a.example",
                "POST /services/wiki/preview",
                json!({"user": "anna@a.example"}),
            ),
            ("service handover wiki --for mellon", "GET /services/wiki/handover?for=mellon", Value::Null),
            ("service list", "GET /services?limit=50", Value::Null),
            ("service show 'my wiki'", "GET /services/my%20wiki", Value::Null),
            ("service delete wiki --yes", "DELETE /services/wiki", Value::Null),
        ],
    );
    assert!(fake.feed(&["service", "add", "wiki", "--metadata", "-"], "<y/>").status.success());
    assert_eq!(fake.asked()[0].json()["metadata"], "<y/>");
}

#[test]
fn users_and_groups() {
    let fake = Fake::start();
    let csv = "login_name\nanna@a.example\n";
    fake.with("people.csv", csv);
    let anna = "/users/anna%40a.example";
    each(
        &fake,
        &[
            (
                "user create anna@a.example --display-name 'Anna O' --given-name Anna --family-name O --email a@a.example --email b@a.example --department IT --group staff",
                "POST /users",
                json!({"login_name": "anna@a.example", "display_name": "Anna O", "given_name": "Anna", "family_name": "O",
                    "emails": ["a@a.example", "b@a.example"], "department": "IT", "groups": ["staff"]}),
            ),
            ("user set anna@a.example --department ''", &format!("PATCH {anna}"), json!({"department": null})),
            ("user disable anna@a.example", &format!("POST {anna}/disable"), json!({})),
            ("user enable anna@a.example", &format!("POST {anna}/enable"), json!({})),
            ("user delete anna@a.example --yes", &format!("DELETE {anna}"), Value::Null),
            (
                "user list --status active --status disabled --source device-token --query an",
                "GET /users?status=active&status=disabled&source=device-token&q=an&limit=50",
                Value::Null,
            ),
            ("user show anna@a.example", &format!("GET {anna}"), Value::Null),
            ("user export", "GET /users/export", Value::Null),
            ("group create staff --protected", "POST /groups", json!({"name": "staff", "protected": true})),
            ("group list", "GET /groups?limit=50", Value::Null),
            ("group show staff", "GET /groups/staff", Value::Null),
            ("group delete staff --yes", "DELETE /groups/staff", Value::Null),
        ],
    );
    assert!(fake.run(&["user", "import", "people.csv", "--dry-run"]).status.success());
    let asked = fake.asked();
    assert_eq!(
        (asked[0].target.as_str(), asked[0].body.as_slice()),
        ("/api/v1/o/acme/users/import?dry_run=true", csv.as_bytes())
    );
    assert_eq!(asked[0].header("content-type"), Some("text/csv"));
    assert!(
        fake.run(&["group", "set", "staff", "--join", "anna@a.example", "--leave", "bob@a.example"]).status.success()
    );
    let calls: Vec<_> = fake.asked().iter().map(|a| call(a).0).collect();
    let member = "/groups/staff/members";
    assert_eq!(
        calls,
        [
            format!("PUT {member}/anna%40a.example"),
            format!("DELETE {member}/bob%40a.example"),
            "GET /groups/staff".to_owned()
        ]
    );
}

#[test]
fn devices_bindings_codes_and_sessions() {
    let fake = Fake::start();
    each(
        &fake,
        &[
            (
                "device list --state pending --state suspended --user anna@a.example --token t1 --platform linux --serial S1 --level 3 --last-seen-before 2026-01-01T00:00:00Z",
                "GET /devices?state=pending&state=suspended&user=anna%40a.example&token=t1&platform=linux&serial=S1&level=3&last_seen_before=2026-01-01T00%3A00%3A00.000Z&limit=50",
                Value::Null,
            ),
            ("device show d1", "GET /devices/d1", Value::Null),
            ("device approve d1", "POST /devices/d1/approve", json!({})),
            ("device suspend d1", "POST /devices/d1/suspend", json!({})),
            ("device resume d1", "POST /devices/d1/resume", json!({})),
            ("device quarantine d1", "POST /devices/d1/quarantine", json!({})),
            ("device release d1", "POST /devices/d1/release", json!({})),
            ("device remove d1 --yes", "POST /devices/d1/remove", json!({})),
            ("device remove d1 --force --yes", "POST /devices/d1/remove", json!({"force": true})),
            (
                "device suspend --user anna@a.example --yes",
                "POST /devices/bulk",
                json!({"filter": {"user": ["anna@a.example"]}, "action": "suspend"}),
            ),
            (
                "device remove --state retired --level 0 --force --dry-run",
                "POST /devices/bulk?dry_run=true",
                json!({"filter": {"state": ["retired"], "level": [0]}, "action": "remove", "force": true}),
            ),
            (
                "binding list --device d1 --user u --state pending",
                "GET /bindings?device=d1&user=u&state=pending&limit=50",
                Value::Null,
            ),
            ("binding approve b1", "POST /bindings/b1/approve", json!({})),
            ("binding remove b1 --yes", "POST /bindings/b1/remove", json!({})),
            (
                "code create --user anna@a.example --serial S1 --expires 72h",
                "POST /one-time-codes",
                json!({"user": "anna@a.example", "serial": "S1", "expires_at": "NOW"}),
            ),
            ("code list", "GET /one-time-codes?limit=50", Value::Null),
            ("code show c1", "GET /one-time-codes/c1", Value::Null),
            ("code delete c1 --yes", "DELETE /one-time-codes/c1", Value::Null),
            (
                "session list --user u --device d --service s",
                "GET /sessions?user=u&device=d&service=s&limit=50",
                Value::Null,
            ),
            ("session end s1 --yes", "DELETE /sessions/s1", Value::Null),
            ("session end --service wiki --yes", "POST /sessions/end", json!({"filter": {"service": ["wiki"]}})),
            ("session end --everyone --yes", "POST /sessions/end", json!({"filter": {"everyone": true}})),
        ],
    );
    assert!(fake.run(&["device", "approve", "d1", "d2"]).status.success());
    let calls: Vec<_> = fake.asked().iter().map(|a| call(a).0).collect();
    assert_eq!(calls, ["POST /devices/d1/approve", "POST /devices/d2/approve"]);
}

#[test]
fn audit_keys_clients_and_the_rest() {
    let fake = Fake::start();
    fake.with("pub.pem", "PEM");
    fake.with("pw", "secret");
    fake.with("log.jsonl", "{}\n");
    each(
        &fake,
        &[
            (
                "audit list --since 2026-01-01T00:00:00Z --until 2026-01-02T00:00:00Z --actor operator --action token.create --target t1 --outcome ok --ref r1",
                "GET /audit-events?since=2026-01-01T00%3A00%3A00.000Z&until=2026-01-02T00%3A00%3A00.000Z&actor=operator&action=token.create&target=t1&outcome=ok&ref=r1&limit=50",
                Value::Null,
            ),
            ("audit assertion _a1", "GET /assertions/_a1", Value::Null),
            ("audit export --format jsonl", "GET /audit-events?limit=1000", Value::Null),
            ("audit export --format csv", "GET /audit-events?limit=1000", Value::Null),
            ("audit verify", "GET /audit-events/verify", Value::Null),
            ("audit verify --against log.jsonl", "POST /audit-events/verify", json!({})),
            ("key list", "GET /keys?limit=50", Value::Null),
            (
                "key add --use assertion --algorithm ecdsa-p256",
                "POST /keys",
                json!({"use": "assertion", "algorithm": "ecdsa-p256"}),
            ),
            ("key activate k1", "POST /keys/k1/activate", json!({})),
            ("key retire k1 --yes", "POST /keys/k1/retire", json!({})),
            (
                "api-client create n --scope devices:read --scope audit:read",
                "POST /api-clients",
                json!({"name": "n", "scopes": ["devices:read", "audit:read"]}),
            ),
            (
                "api-client create n --scope devices:read --public-key pub.pem",
                "POST /api-clients",
                json!({"name": "n", "scopes": ["devices:read"], "public_key": "PEM"}),
            ),
            ("api-client rotate n", "POST /api-clients/n/rotate", json!({})),
            ("api-client disable n", "POST /api-clients/n/disable", json!({})),
            ("api-client enable n", "POST /api-clients/n/enable", json!({})),
            ("api-client delete n --yes", "DELETE /api-clients/n", Value::Null),
            ("explain LK-ENROLL-020", "GET /explain/LK-ENROLL-020", Value::Null),
            ("explain 7k3xq2m5ba", "GET /explain/7k3xq2m5ba", Value::Null),
            ("backup b.lk", "POST /api/v1/backup", json!({"with_master_key": false})),
            (
                "backup b.lk --with-master-key --password-file pw",
                "POST /api/v1/backup",
                json!({"with_master_key": true, "password": "secret"}),
            ),
        ],
    );
}
