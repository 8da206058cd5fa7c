//! Every line of the command line's contract, over the socket and over HTTPS.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::deploy::deploy;
use crate::oversight::oversight;
use crate::roles::roles;
use crate::stranger::{Cloud, Stranger};
use crate::ways_in::ways_in;

const METADATA: &str = r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://wiki.example/saml"><SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><AssertionConsumerService index="0" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://wiki.example/acs"/></SPSSODescriptor></EntityDescriptor>"#;
pub(crate) const SCOPES: &[&str] = &[
    "organization",
    "domains",
    "tokens",
    "policy",
    "users",
    "groups",
    "devices",
    "codes",
    "services",
    "sessions",
    "keys",
    "api-clients",
    "roles",
];

fn has(document: &Value, members: &[&str]) {
    for member in members {
        assert!(document.get(member).is_some(), "no {member} in {document}");
    }
}

fn id(document: &Value) -> String {
    document["id"].as_str().unwrap_or_else(|| panic!("no id in {document}")).to_owned()
}

fn cloud() -> Cloud {
    let cloud = Cloud::start(&["--tls", "own"]);
    cloud.file("sp.xml", METADATA);
    cloud.file("pw", "correct horse battery 9\n");
    cloud.file("wrong", "correct horse battery 8\n");
    cloud.file("people.csv", "login_name,display_name\nbob@acme.example,Bob\n");
    let operator = cloud.operator(None);
    operator.document("org create acme --name Acme");
    operator.document("domain add acme.example");
    operator.document("domain verify acme.example --operator-word lab");
    cloud
}

/// Every verb that an API client may use as well.
fn everything(cloud: &Cloud, at: &Stranger) {
    organization(at);
    domains(at);
    people(at);
    services(at);
    tokens(cloud, at);
    devices(cloud, at);
    deploy(cloud, at);
    assert!(at.text("device export --state registered").starts_with("id,state,"));
    codes(at);
    keys(at);
    clients(at);
    roles(at);
    ways_in(at);
    oversight(at);
    audit(cloud, at);
}

fn organization(at: &Stranger) {
    has(&at.document("org show acme"), &["id", "slug", "name", "entity_id", "created_at"]);
    let line = "org set acme --name \"Acme 2\" --certificate-lifetime 6d --devices-per-user 4 --asleep-limit 20d --max-tokens 20 --retire-after 80d";
    at.tries(line);
    let set = at.document(line);
    assert_eq!((&set["name"], &set["certificate_lifetime_s"]), (&json!("Acme 2"), &json!(6 * 86_400)));
    at.refused("org set acme --certificate-lifetime 8d", 2, "LK-API-010");
    at.refused("org set acme", 2, "LK-CLI-001");
    assert!(at.text("org idp-metadata").contains("EntityDescriptor"));
    assert!(at.writes("org idp-metadata --output idp.xml", "idp.xml").contains("EntityDescriptor"));
    at.refused("org frobnicate", 2, "LK-CLI-001");
    at.refused("org show acme --frobnicate", 2, "LK-CLI-001");
}

fn domains(at: &Stranger) {
    let added = at.makes("domain add two.example");
    assert_eq!(added["verification"], "pending");
    has(&added["record"], &["name", "type", "value"]);
    at.refused("domain add not_a_domain", 2, "LK-API-010");
    at.refused("domain verify two.example", 4, "LK-DOMAIN-003");
    at.refused("domain show none.example", 3, "LK-API-004");
    assert_eq!(at.document("domain show two.example")["name"], "two.example");
    assert_eq!(at.list("domain list").len(), 2);
    let first = at.document("domain list --limit 1");
    let next = first["next"].as_str().unwrap();
    assert_eq!(at.list(&format!("domain list --limit 1 --after {next}")).len(), 1);
    assert_eq!(at.list("domain list --all").len(), 2);
    at.refused("domain list --limit 1001", 2, "LK-CLI-001");
    at.takes_away("domain remove two.example");
    at.refused("domain remove two.example --yes", 3, "LK-API-004");
}

fn people(at: &Stranger) {
    at.makes("group create staff");
    assert_eq!(at.makes("group create chiefs --protected")["protected"], true);
    let anna = at.makes(
        "user create anna@acme.example --display-name Anna --given-name An --family-name Na --email a@x.example \
         --email b@x.example --department D --group staff",
    );
    assert_eq!(
        (&anna["status"], &anna["source"], &anna["groups"]),
        (&json!("active"), &json!("local"), &json!(["staff"]))
    );
    at.refused("user create nobody", 2, "LK-API-010");
    assert_eq!(at.document("user set anna@acme.example --display-name \"Anna N\"")["display_name"], "Anna N");
    assert_eq!(at.document("user disable anna@acme.example")["status"], "disabled");
    assert_eq!(at.document("user enable anna@acme.example")["status"], "active");
    assert_eq!(at.list("user list --status active --status disabled --source local --query an").len(), 1);
    at.refused("user list --status gone", 2, "LK-API-010");
    assert_eq!(at.document(&format!("user show {}", id(&anna)))["login_name"], "anna@acme.example");
    at.refused("user show none@acme.example", 3, "LK-API-004");
    at.tries("user import people.csv");
    assert_eq!(at.document("user import people.csv")["created"], 1);
    at.refused("user import nothing.csv", 2, "LK-CLI-004");
    assert!(at.text("user export").contains("bob@acme.example,Bob"));
    at.takes_away("user delete bob@acme.example");
    assert_eq!(at.document("group set staff --leave anna@acme.example")["members"], 0);
    assert_eq!(at.document("group set staff --join anna@acme.example")["members"], 1);
    assert_eq!(at.list("group list").len(), 2);
    at.document("group show staff");
    at.takes_away("group delete chiefs");
    at.refused("group show chiefs", 3, "LK-API-004");
}

fn services(at: &Stranger) {
    let wiki = at.makes("service add wiki --metadata sp.xml");
    let defaults = json!({"name_id": "email", "attributes": "basic", "entitle": ["everyone"], "min_evidence": 0, "sign": "assertion", "algorithm": "rsa-sha256"});
    for (name, value) in defaults.as_object().unwrap() {
        assert_eq!(&wiki[name], value, "{name}");
    }
    let hand = at.document(
        "service add hand --entity-id urn:hand --acs https://hand.example/acs --name-id persistent --attributes none \
         --entitle group:staff --entitle user:anna@acme.example --min-evidence 1 --sign both --algorithm ecdsa-p256 --idp-initiated --allow-http",
    );
    assert_eq!(
        (&hand["name_id"], &hand["idp_initiated"], &hand["min_evidence"]),
        (&json!("persistent"), &json!(true), &json!(1))
    );
    at.refused("service add bad --metadata pw", 2, "LK-API-010");
    at.refused("service add bad", 2, "LK-CLI-001");
    at.refused("service add evil --entity-id urn:evil --acs javascript:alert(1)", 2, "LK-API-010");
    at.tries("service set wiki --min-evidence 3");
    assert_eq!(at.document("service set hand --name-id transient --no-idp-initiated")["idp_initiated"], false);
    assert_eq!(at.list("service list").len(), 2);
    at.document("service show wiki");
    at.refused("service show nothing", 3, "LK-API-004");
    at.refused("service refresh hand", 5, "LK-API-008");
    let preview = at.document("service preview wiki --user anna@acme.example");
    assert_eq!((&preview["name_id"]["value"], &preview["entitled"]), (&json!("anna@acme.example"), &json!(true)));
    for target in ["generic", "mellon"] {
        assert!(at.text(&format!("service handover wiki --for {target}")).contains("/saml/sso"));
    }
    at.refused("service handover wiki --for nothing", 2, "LK-API-010");
    at.takes_away("service delete hand");
}

fn tokens(cloud: &Cloud, at: &Stranger) {
    at.refused("token create --description x --domain acme.example", 2, "LK-CLI-001");
    at.refused("token create --description x --domain acme.example --no-sealed-copy --max-uses 0", 2, "LK-API-010");
    at.refused("token create --description x --domain none.example --no-sealed-copy", 2, "LK-API-010");
    at.tries("token create --description x --domain acme.example --no-sealed-copy");
    let off = at.document("token create --description off --domain acme.example --no-sealed-copy");
    has(&off, &["id", "device_token", "domains", "cloud_name", "cloud_key", "accepted", "not_accepted_because"]);
    assert_eq!(off["accepted"], false);
    assert!(off["not_accepted_because"].as_array().unwrap().contains(&json!("LK-ENROLL-020")), "{off}");

    has(&at.document("policy show"), &["enabled", "all_domains", "domains", "jit"]);
    at.tries("policy set --enabled --domain acme.example --jit");
    at.document("policy set --enabled --domain acme.example --jit");
    assert_eq!(at.document("policy set --no-jit")["jit"], false);
    assert_eq!(at.document("policy set --all-domains --jit")["all_domains"], true);
    at.refused("policy set", 2, "LK-CLI-001");
    at.refused("policy set --domain none.example", 2, "LK-API-010");

    let made = at.document(
        "token create --description lab --domain acme.example --password-file pw --expires 3d --max-uses 100",
    );
    assert_eq!(made["accepted"], true, "{made}");
    let token = id(&made);
    cloud.file("token", made["device_token"].as_str().unwrap());
    let text = at.writes(
        "token create --description full --domain acme.example --no-sealed-copy --expires 3d --max-uses 10 --uses-per-minute 60 --platform linux \
         --network 127.0.0.0/8 --min-evidence 0 --initial-state pending --known-users pending --on-known-serial allow --on-second-device allow \
         --jit-group staff --brake 10% --expect 5 --output waiting",
        "waiting",
    );
    assert!(text.starts_with("lkdt1_"), "the token and nothing else");
    assert_eq!(at.list("token list --state active").len(), 4);
    let shown = at.document(&format!("token show {token}"));
    assert!(!shown.to_string().contains(made["device_token"].as_str().unwrap()), "shown once");
    at.refused("token show nothing", 3, "LK-API-004");
    at.document(&format!("token set {token} --max-uses 50"));
    at.refused(&format!("token set {token} --max-uses 500"), 2, "LK-API-010");
    assert_eq!(at.document(&format!("token set {token} --max-uses 500 --loosen"))["max_uses"], 500);
    let again = at.document(&format!("token reveal {token} --password-file pw"));
    assert_eq!(again["device_token"], made["device_token"]);
    at.refused(&format!("token reveal {token} --password-file wrong"), 4, "LK-AUTH-002");
    at.refused(&format!("token reveal {} --password-file pw", id(&off)), 5, "LK-API-008");
    assert_eq!(at.document(&format!("token disable {token}"))["state"], "disabled");
    assert_eq!(at.document(&format!("token enable {token}"))["state"], "active");
    assert_eq!(at.document("token identify token")["id"], token.as_str());
    at.refused("token identify pw", 2, "LK-TOKEN-001");
    let next = at.document(&format!("token rotate {} --overlap 7d --no-sealed-copy", id(&off)));
    assert_ne!(id(&next), id(&off));
    let revoked = at.takes_away(&format!("token revoke {}", id(&next)));
    assert_eq!(revoked["state"], "revoked");
    at.refused(&format!("token enable {}", id(&next)), 5, "LK-API-008");
    at.document(&format!("token uses {token}"));
    at.document(&format!("token failures {token}"));
}

/// Enrolls a device with the token in a file.
fn enroll(cloud: &Cloud, name: &str, token: &str, exit: i32) -> String {
    let (address, ca) = (cloud.said("cloud_name"), cloud.said("ca_file"));
    let ended = cloud.connector(&format!(
        "--state-dir s-{name} enroll --cloud-name {address} --ca-file {ca} --user-domain acme.example --device-token-file {token} --user-name {name} --json"
    ));
    assert_eq!(ended.exit, exit, "{ended:#?}");
    let document = ended.document();
    has(
        &document,
        &[
            "device_id",
            "state",
            "organization",
            "cloud_name",
            "user",
            "protection",
            "epoch",
            "renew_at",
            "token_removed_from",
            "token_remains_in",
        ],
    );
    document["device_id"].as_str().unwrap().to_owned()
}

fn devices(cloud: &Cloud, at: &Stranger) {
    let anna = enroll(cloud, "anna", "token", 0);
    let carl = enroll(cloud, "carl", "token", 0);
    let dora = enroll(cloud, "dora", "waiting", 11);
    let token = id(&at.document("token identify token"));
    assert_eq!(at.list(&format!("token uses {token}")).len(), 2);

    assert_eq!(at.list("device list").len(), 3);
    assert_eq!(at.list("device list --state pending --platform linux --last-seen-before 0s").len(), 1);
    assert_eq!(at.list("device list --state pending --state registered --user anna@acme.example").len(), 1);
    assert_eq!(at.list(&format!("device list --token {token} --level 0 --serial none")).len(), 0);
    at.refused("device list --state here", 2, "LK-API-010");
    has(
        &at.document(&format!("device show {anna}")),
        &["id", "state", "platform", "host", "level", "epoch", "last_seen_at"],
    );
    at.refused("device show nothing", 3, "LK-API-004");
    at.tries(&format!("device approve {dora}"));
    assert_eq!(at.document(&format!("device approve {dora}"))["state"], "registered");
    at.refused(&format!("device resume {anna}"), 5, "LK-API-008");
    assert_eq!(at.document(&format!("device suspend {anna}"))["state"], "suspended");
    let status = cloud.connector("--state-dir s-anna run --once");
    assert!(status.exit == 12 || status.exit == 0, "{status:#?}");
    assert_eq!(cloud.connector("--state-dir s-anna status --json").exit, 12);
    assert_eq!(at.document(&format!("device resume {anna}"))["state"], "registered");
    assert_eq!(at.document(&format!("device quarantine {carl}"))["state"], "quarantined");
    at.document(&format!("device release {carl}"));
    at.refused("device suspend --user dora@acme.example", 2, "LK-CLI-001");
    at.tries("device suspend --user dora@acme.example");
    at.document("device suspend --user dora@acme.example --yes");
    assert_eq!(at.list("device list --state suspended").len(), 1);

    let bindings = at.list("binding list --state active");
    let binding = bindings.iter().find(|b| b["login_name"] == "anna@acme.example").unwrap();
    assert_eq!(at.list(&format!("binding list --device {anna} --user anna@acme.example")).len(), 1);
    at.document(&format!("binding show {}", id(binding)));
    at.refused(&format!("binding approve {}", id(binding)), 5, "LK-API-008");
    at.takes_away(&format!("binding remove {}", id(binding)));
    at.refused("binding show nothing", 3, "LK-API-004");

    at.takes_away(&format!("device remove {anna}"));
    at.document(&format!("device remove {carl} --force --yes"));
    assert_eq!(at.document(&format!("device show {carl}"))["state"], "removed");

    assert_eq!(at.list("session list --user anna@acme.example --service wiki").len(), 0);
    at.refused("session show nothing", 3, "LK-API-004");
    at.refused("session end nothing --yes", 3, "LK-API-004");
    at.refused("session end", 2, "LK-CLI-001");
    at.takes_away("session end --user dora@acme.example");
    at.takes_away("session end --everyone");
}

fn codes(at: &Stranger) {
    let code = at.document("code create --user anna@acme.example --serial S1 --expires 72h");
    assert!(code["one_time_code"].as_str().unwrap().starts_with("lkuc1_"), "{code}");
    assert!(at.writes("code create --user anna@acme.example --output code", "code").starts_with("lkuc1_"));
    at.refused("code create --user none@acme.example", 3, "LK-API-004");
    assert_eq!(at.list("code list").len(), 3);
    let shown = at.document(&format!("code show {}", id(&code)));
    assert!(shown.get("one_time_code").is_none(), "shown once");
    at.takes_away(&format!("code delete {}", id(&code)));
}

fn keys(at: &Stranger) {
    let before = at.list("key list");
    let old =
        before.iter().find(|key| key["use"] == "assertion" && key["algorithm"] == "p-256" && key["state"] == "active");
    let old = id(old.unwrap_or_else(|| panic!("{before:?}")));
    at.tries("key add --use assertion --algorithm p-256");
    let key = at.document("key add --use assertion --algorithm ecdsa-p256");
    assert_eq!(key["state"], "upcoming");
    at.document(&format!("key show {}", id(&key)));
    at.refused("key show nothing", 3, "LK-API-004");
    at.refused("key add --use coffee", 2, "LK-API-010");
    assert_eq!(at.document(&format!("key activate {}", id(&key)))["state"], "active");
    at.refused(&format!("key retire {} --yes", id(&key)), 5, "LK-API-008");
    at.takes_away(&format!("key retire {old}"));
    for usage in ["metadata", "challenge", "ca"] {
        assert_eq!(at.document(&format!("key add --use {usage}"))["use"], usage);
    }
}

fn clients(at: &Stranger) {
    let line = "api-client create inventory --scope devices:read --scope audit:read";
    at.tries(line);
    let made = at.document(line);
    has(&made, &["client_id", "client_secret"]);
    at.refused(line, 5, "LK-API-007");
    let existing = at.document(&format!("{line} --if-missing"));
    assert!(existing.get("client_secret").is_none(), "{existing}");
    at.refused("api-client create other --scope coffee:make", 2, "LK-API-010");
    let rotated = at.document("api-client rotate inventory");
    assert_ne!(rotated["client_secret"], made["client_secret"]);
    assert_eq!(at.document("api-client disable inventory")["state"], "disabled");
    assert_eq!(at.document("api-client enable inventory")["state"], "active");
    assert!(at.list("api-client list").iter().any(|client| client["name"] == "inventory"));
    at.document(&format!("api-client show {}", made["client_id"].as_str().unwrap()));
    at.takes_away("api-client delete inventory");
    at.refused("api-client show inventory", 3, "LK-API-004");
}

fn audit(cloud: &Cloud, at: &Stranger) {
    let made = at.list("audit list --since 1h --until 0s --action token.create --outcome ok --limit 3");
    assert_eq!(made.len(), 3);
    has(
        &made[0],
        &["id", "at", "actor", "actor_kind", "action", "target", "outcome", "chain", "seq", "hash", "prev_hash"],
    );
    let token = made[0]["target"].as_str().unwrap();
    assert!(!at.list(&format!("audit list --target {token}")).is_empty());
    at.document(&format!("audit show {}", id(&made[0])));
    let refused = at.list("audit list --outcome refused");
    let reference = refused.iter().find_map(|event| event["ref"].as_str()).unwrap_or_else(|| panic!("{refused:?}"));
    assert_eq!(at.list(&format!("audit list --ref {reference}")).len(), 1);
    has(&at.document(&format!("explain {reference}")), &["code", "fault", "fix"]);
    has(&at.document("explain LK-ENROLL-020"), &["code", "title", "fault", "fix"]);
    at.refused("explain LK-NOTHING-000", 3, "LK-API-004");
    at.refused("explain zzzzzzzzzz", 3, "LK-API-004");
    let csv = at.text("audit export --format csv");
    assert!(csv.starts_with("at,"), "{csv:.60}");
    cloud.file("log.jsonl", &at.text("audit export --format jsonl"));
    let verified = at.document("audit verify");
    assert_eq!(verified["ok"], true);
    has(&verified["chains"][0], &["chain", "events", "head_hash", "first_bad_seq"]);
    has(&verified, &["events", "checkpoints"]);
    assert_eq!(at.document("audit verify --against log.jsonl")["ok"], true);
    // Somebody changed the copy: the log and it differ, exit 8, and the answer is on stdout as well.
    let log = std::fs::read_to_string(cloud.path().join("log.jsonl")).unwrap();
    cloud.file("altered.jsonl", &log.replacen("token.create", "token.revoke", 1));
    let altered = at.run("audit verify --against altered.jsonl --json");
    assert_eq!((altered.exit, &altered.document()["ok"]), (8, &json!(false)), "{altered:#?}");
    assert_eq!(at.document("audit assertion _nothing")["issued"], false);
}

/// The commands of the program, from its own help.
fn commands(at: &Stranger) -> BTreeSet<String> {
    let verbs = |line: &str| -> Vec<String> {
        let help = at.text(line);
        let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // Descriptions go on in lines that are indented further.
        let list = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        list.filter_map(|line| line.split_whitespace().next())
            .filter(|verb| *verb != "help")
            .map(str::to_owned)
            .collect()
    };
    let mut all = BTreeSet::new();
    for noun in verbs("--help") {
        let below = verbs(&format!("{noun} --help"));
        if below.is_empty() {
            all.insert(noun);
        } else {
            all.extend(below.into_iter().map(|verb| format!("{noun} {verb}")));
        }
    }
    all
}

#[test]
fn every_line_works_over_the_socket() {
    let cloud = cloud();
    let at = cloud.operator(None);
    assert_eq!(at.list("org list").len(), 1);
    everything(&cloud, &at);

    // Above organizations, and on the server itself.
    at.refused("org create acme --name Again", 5, "LK-API-007");
    at.makes("org create bits --name Bits");
    at.refused("domain list", 2, "LK-CLI-001");
    at.document("domain list --org bits");
    at.takes_away("org delete bits");
    at.refused("org show bits", 3, "LK-API-004");
    at.refused("org show nobody", 3, "LK-API-004");
    let checked = at.document("check");
    assert_eq!(checked["ok"], true, "{checked}");
    has(&checked["checks"][0], &["name", "ok", "detail", "code", "fix"]);
    has(&at.document("version"), &["version"]);
    assert!(at.text("completion bash").contains("latchkey"));
    assert!(at.text("service-unit").contains("[Service]"));
    at.refused("setup-link --org acme", 5, "LK-API-008");
    at.tries("setup-link --org acme --user rosa@acme.example");
    has(&at.document("setup-link --org acme --user rosa@acme.example"), &["url", "expires_at", "login_name"]);
    at.refused("setup-link --user nobody@acme.example", 3, "LK-API-004");
    has(&at.document("backup b.lk"), &["file", "bytes", "taken_at", "with_master_key"]);
    at.refused("serve --data d", 5, "LK-SERVE-004");
    assert_eq!(at.document("mail show")["set_up"], false);
    at.refused("mail test anna@acme.example", 5, "LK-MAIL-001");
    at.refused("frobnicate", 2, "LK-CLI-001");

    // These two go on until they are told to stop; the others need a stopped server, and are in `standing.rs`.
    let elsewhere = ["audit tail", "token watch", "restore", "key rewrap"].map(str::to_owned);
    let typed: BTreeSet<String> = at.typed().into_iter().chain(elsewhere).collect();
    let was_typed = |command: &String| {
        let more = format!("{command} ");
        typed.iter().any(|typed| typed == command || typed.starts_with(&more))
    };
    let left_out: Vec<_> = commands(&at).into_iter().filter(|command| !was_typed(command)).collect();
    assert!(left_out.is_empty(), "nobody typed: {left_out:?}");
}

#[test]
fn every_line_works_over_https() {
    let cloud = cloud();
    let operator = cloud.operator(None);
    let scopes: String = SCOPES.iter().map(|noun| format!(" --scope {noun}:read --scope {noun}:write")).collect();
    let made = operator.document(&format!("api-client create all --scope audit:read{scopes}"));
    cloud.file("secret", made["client_secret"].as_str().unwrap());
    let at = cloud.client("acme", made["client_id"].as_str().unwrap(), "LATCHKEY_CLIENT_SECRET_FILE", "secret");
    everything(&cloud, &at);
    for line in [
        "org list",
        "org create bits --name Bits",
        "org delete acme --yes",
        "backup b.lk",
        "domain verify acme.example --operator-word mine",
    ] {
        at.refused(line, 4, "LK-AUTH-004");
    }
}
