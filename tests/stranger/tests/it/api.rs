//! The API as its own description says: valid, whole, and kept.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stranger::Cloud;

/// The calls of the contract (api.md): method, and path below an organization.
const CALLS: &[&str] = &[
    "GET ",
    "PATCH ",
    "GET /domains",
    "POST /domains",
    "GET /domains/{}",
    "DELETE /domains/{}",
    "POST /domains/{}/verify",
    "GET /device-tokens",
    "POST /device-tokens",
    "GET /device-tokens/{}",
    "PATCH /device-tokens/{}",
    "POST /device-tokens/{}/disable",
    "POST /device-tokens/{}/enable",
    "POST /device-tokens/{}/revoke",
    "POST /device-tokens/{}/rotate",
    "POST /device-tokens/{}/reveal",
    "GET /device-tokens/{}/uses",
    "GET /device-tokens/{}/failures",
    "GET /device-tokens/{}/watch",
    "POST /device-tokens/identify",
    "GET /device-token-policy",
    "PUT /device-token-policy",
    "GET /users",
    "POST /users",
    "GET /users/{}",
    "PATCH /users/{}",
    "DELETE /users/{}",
    "POST /users/{}/disable",
    "POST /users/{}/enable",
    "GET /users/{}/groups",
    "POST /users/import",
    "GET /users/export",
    "GET /groups",
    "POST /groups",
    "GET /groups/{}",
    "PATCH /groups/{}",
    "DELETE /groups/{}",
    "PUT /groups/{}/members/{}",
    "DELETE /groups/{}/members/{}",
    "GET /devices",
    "GET /devices/{}",
    // approve, suspend, resume, quarantine, release, remove: what an administrator does is one parameter.
    "POST /devices/{}/{}",
    "POST /devices/bulk",
    "GET /bindings",
    "GET /bindings/{}",
    "POST /bindings/{}/approve",
    "POST /bindings/{}/remove",
    "GET /one-time-codes",
    "POST /one-time-codes",
    "GET /one-time-codes/{}",
    "DELETE /one-time-codes/{}",
    "GET /services",
    "POST /services",
    "GET /services/{}",
    "PATCH /services/{}",
    "DELETE /services/{}",
    "GET /services/{}/entitlements",
    "POST /services/{}/refresh",
    "POST /services/{}/preview",
    "GET /services/{}/handover",
    "GET /sessions",
    "GET /sessions/{}",
    "DELETE /sessions/{}",
    "POST /sessions/end",
    "GET /keys",
    "POST /keys",
    "GET /keys/{}",
    "POST /keys/{}/activate",
    "POST /keys/{}/retire",
    "GET /api-clients",
    "POST /api-clients",
    "GET /api-clients/{}",
    "PATCH /api-clients/{}",
    "DELETE /api-clients/{}",
    "POST /api-clients/{}/rotate",
    "POST /api-clients/{}/disable",
    "POST /api-clients/{}/enable",
    "GET /audit-events",
    "GET /audit-events/{}",
    "GET /audit-events/verify",
    "GET /assertions/{}",
    "GET /explain/{}",
];

const BASE: &str = "/api/v1/o/{org}";

struct Api {
    _cloud: Cloud,
    agent: ureq::Agent,
    url: String,
    bearer: String,
    device_token: String,
    document: Value,
}

/// An operation of the description.
struct Operation<'a> {
    method: String,
    path: &'a str,
    said: &'a Value,
}

impl Api {
    fn start() -> Self {
        let cloud = Cloud::start(&[]);
        let operator = cloud.operator(None);
        operator.document("org create acme --name Acme");
        operator.document("domain add acme.example");
        let scopes = crate::lines::SCOPES.iter().map(|noun| format!(" --scope {noun}:read --scope {noun}:write"));
        let scopes: String = scopes.collect();
        let made = operator.document(&format!("api-client create all --scope audit:read{scopes}"));
        let token = operator.document("token create --description x --domain acme.example --no-sealed-copy");
        // A server that refuses need not read the rest of what was sent, so no connection is used twice.
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(0);
        let agent: ureq::Agent = agent.build().into();
        let url = cloud.said("url");
        let basic = format!("{}:{}", made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
        let mut answer = agent
            .post(format!("{url}/o/acme/oauth2/token"))
            .header(
                "authorization",
                format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, basic)),
            )
            .send_form([("grant_type", "client_credentials")])
            .unwrap();
        let granted: Value = answer.body_mut().read_json().unwrap();
        assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(600)));
        let document = agent.get(format!("{url}/api/v1/openapi.json")).call().unwrap().body_mut().read_json().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (bearer, device_token) = (text(&granted["access_token"]), text(&token["device_token"]));
        Self { _cloud: cloud, agent, url, bearer, device_token, document }
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .iter()
                    .filter(|(_, said)| said.is_object())
                    .map(move |(method, said)| Operation { method: method.to_ascii_uppercase(), path, said })
            })
            .collect()
    }

    /// Status and document of a call; `bearer` is who calls.
    fn call(&self, method: &str, path: &str, bearer: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let patch = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let text = body.map(Value::to_string);
        if text.is_some() {
            request = request.header("content-type", patch);
        }
        let agent = self.agent.configure_request(request.body(text.unwrap_or_default()).unwrap());
        let mut answer = self.agent.run(agent.allow_non_standard_methods(true).build()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// The path with something in every place.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{org}" => "acme",
        part if part.starts_with('{') => "x",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn below(path: &str) -> Option<String> {
    let rest = path.strip_prefix(BASE)?;
    let parts = rest.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    Some(parts.collect::<Vec<_>>().join("/").trim_end_matches('/').to_owned())
}

#[test]
fn the_description_is_valid_and_has_every_call_of_the_contract() {
    let api = Api::start();
    let document = &api.document;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut references = Vec::new();
    collect(document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut found = BTreeSet::new();
    for operation in api.operations() {
        let name = format!("{} {}", operation.method, operation.path);
        let responses = operation.said["responses"].as_object().unwrap_or_else(|| panic!("{name} has no answers"));
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}: {responses:?}");
        assert!(responses.values().all(|answer| answer["description"].is_string()), "{name}: an answer without a word");
        assert!(operation.said["operationId"].is_string(), "{name} has no id");
        for parameter in operation.said["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["name"].is_string() && parameter["schema"].is_object(), "{name}: {parameter}");
        }
        if let Some(path) = below(operation.path) {
            found.insert(format!("{} {path}", operation.method));
        }
    }
    let wanted: BTreeSet<String> = CALLS.iter().map(|call| (*call).to_owned()).collect();
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "the contract has calls that the description has not: {missing:?}");
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let default = members.get("default").filter(|_| members.get("type").is_some_and(Value::is_string));
            assert!(default.is_none_or(|default| !default.is_null()), "null is no default here: {members:?}");
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => into.push(text.clone()),
                    value => collect(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

#[test]
fn what_a_call_does_not_have_is_refused_naming_it() {
    let api = Api::start();
    let mut asked = 0;
    for operation in api.operations().into_iter().filter(|operation| operation.path.starts_with(BASE)) {
        let (name, path) = (format!("{} {}", operation.method, operation.path), filled(operation.path));
        let unknown = format!("{path}?frobnicate=1");
        let (status, said) = api.call(&operation.method, &unknown, Some(&api.bearer), None);
        assert_eq!((status, &said["code"]), (400, &json!("LK-API-003")), "{name}: {said}");
        assert!(said["detail"].as_str().unwrap().contains("frobnicate"), "{name}: {said}");
        asked += 1;
        let takes_json = operation.said["requestBody"]["content"].as_object();
        if takes_json
            .is_some_and(|content| content.keys().any(|kind| kind.ends_with("/json") || kind.ends_with("+json")))
        {
            let body = json!({"frobnicate": 1});
            let (status, said) = api.call(&operation.method, &path, Some(&api.bearer), Some(&body));
            assert_eq!((status, &said["code"]), (400, &json!("LK-API-003")), "{name}: {said}");
            assert_eq!(said["errors"][0]["pointer"], "/frobnicate", "{name}: {said}");
        }
    }
    assert!(asked >= CALLS.len(), "{asked}");
}

#[test]
fn r03_a_device_token_opens_no_call_and_neither_does_nobody() {
    let api = Api::start();
    for operation in api.operations().into_iter().filter(|operation| operation.path.starts_with("/api/")) {
        let (name, path) = (format!("{} {}", operation.method, operation.path), filled(operation.path));
        let operators = !operation.path.starts_with(BASE);
        for bearer in [None, Some(api.device_token.as_str()), Some("lkat1_nothing")] {
            let body = (operation.method != "GET").then(|| json!({}));
            let (status, said) = api.call(&operation.method, &path, bearer, body.as_ref());
            // What is the operator's is not even there for the public.
            assert_eq!(status, if operators { 404 } else { 401 }, "{name} {bearer:?}: {said}");
        }
    }
}
