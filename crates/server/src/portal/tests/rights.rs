//! What each role opens, tried at every door there is; and what a restricted view never shows, looked for behind each of them.

use std::collections::BTreeMap;

use http::Method;
use latchkey_directory::access::{BUILT_IN, Holder, MayGive, NewRole};
use latchkey_directory::audit::Actor;
use latchkey_directory::records::Session;
use latchkey_directory::store::StoreError;
use latchkey_directory::values::{Access, Scope};
use latchkey_directory::{Bytes, Intent, Org, OrgId};
use latchkey_wire::{DeviceState, Level};
use serde_json::json;

use super::fleet::Machine;
use super::people::Person;
use crate::api::tests::world::World;
use crate::portal::doors::Door;

fn operator() -> Intent {
    Intent { may_give: MayGive::Everything, ..Intent::of(&Actor::system()) }
}

/// A role that opens every module this far and no further.
async fn role_of_all(world: &World, org: &OrgId, name: &str, access: &str) {
    let modules = BUILT_IN[0].rights();
    let rights: BTreeMap<String, String> =
        modules.iter().map(|(module, _)| (module.to_string(), access.to_owned())).collect();
    assert!(rights.len() > 10, "{rights:?}");
    let role: NewRole = serde_json::from_value(json!({"name": name, "rights": rights})).unwrap();
    world.app.directory.create_role(&operator(), org, role).await.unwrap();
}

/// The door's path in `acme`, with `named` for whatever else it names.
fn path(door: &Door, named: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = door.path.split('/').collect();
    let part = |n: usize| match parts[n] {
        "{org}" => "acme".to_owned(),
        part if part.starts_with('{') => named(if n == 0 { "" } else { parts[n - 1] }),
        part => part.to_owned(),
    };
    (0..parts.len()).map(part).collect::<Vec<_>>().join("/")
}

/// What the guard says to a person: a form goes without its token, so that no door does anything, and the right is looked at first.
async fn opens(world: &World, person: &Person, door: &Door) -> bool {
    let path = path(door, |_| "nothing-of-this-name".to_owned());
    let answer = match door.method {
        Method::GET => person.get(world, &path).await,
        _ => person.post_with(world, &path, &[], "", &[]).await,
    };
    let refused = answer.status == 403 && answer.text.contains("LK-AUTH-002");
    assert!(refused || door.method == Method::GET || answer.text.contains("LK-AUTH-005"), "{path}: {}", answer.text);
    !refused
}

/// Whether so much of a module is enough for a right, told from the words of the design.
fn enough(access: Access, right: Scope) -> bool {
    match access {
        Access::None => false,
        Access::Restricted | Access::View => !right.writes(),
        Access::Full => true,
    }
}

#[tokio::test]
async fn every_role_opens_the_doors_of_its_rights_and_no_other() {
    let world = World::with_acme().await;
    let doors = crate::portal::list(&world.app);
    for role in BUILT_IN {
        let person = Person::with_role(&world, role.name, Some(role.name)).await;
        let rights = role.rights();
        let mut shut = 0;
        for door in &doors {
            let Some(right) = door.needs.right() else { continue };
            let expected = enough(rights.access(right.module()), right);
            assert_eq!(opens(&world, &person, door).await, expected, "{} at {} {}", role.name, door.method, door.path);
            shut += usize::from(!expected);
        }
        assert_eq!(shut == 0, role.name == "owner", "{}: {shut} doors are shut", role.name);
    }
}

#[tokio::test]
async fn a_role_of_ones_own_that_only_looks_opens_what_shows_and_nothing_that_changes() {
    let world = World::with_acme().await;
    let org = world.app.directory.organization("acme").await.unwrap().id;
    // Files that would be of no use without the names in them.
    let of_names =
        |door: &Door| ["/admin/users/export", "/admin/audit/export"].iter().any(|end| door.path.ends_with(end));
    for access in ["restricted", "view"] {
        role_of_all(&world, &org, &format!("all-{access}"), access).await;
        let person = Person::with_role(&world, access, Some(&format!("all-{access}"))).await;
        for door in crate::portal::list(&world.app) {
            let Some(right) = door.needs.right() else { continue };
            let expected = !(right.writes() || access == "restricted" && of_names(&door));
            assert_eq!(opens(&world, &person, &door).await, expected, "{access}: {} {}", door.method, door.path);
        }
    }
}

/// What stands in the fixture and on no page of a restricted view: names and addresses of persons, serial numbers, host names, and from where
/// somebody came.
const HIDDEN: [&str; 8] =
    ["quux", "zebedee", "quuxley", "zq@post.example", "berlin-7", "sn-d1", "192.0.2.7", "olga@acme.example"];

/// An organization with one of everything that names a person or a machine. Answers what its things are called, by the part of the path before it.
async fn furnished(world: &World) -> (Person, BTreeMap<&'static str, String>) {
    let intent = Intent::of(&Actor::system());
    world.app.create_organization(&intent, "acme".into(), "Acme".into()).await.unwrap();
    let api = |path: &str| format!("/api/v1/o/acme/{path}");
    world.post(&api("domains"), json!({"name": "acme.example"})).await.good();
    let olga = Person::with_role(world, "olga", Some("owner")).await;
    let quux = json!({"login_name": "quux@acme.example", "display_name": "Zebedee Q", "given_name": "Zebedee",
        "family_name": "Quuxley", "emails": ["zq@post.example"], "department": "Laboratory"});
    let user = world.post(&api("users"), quux).await.good();
    world.post(&api("groups"), json!({"name": "team"})).await.good();
    let member = world.ask("PUT", &api("groups/team/members/quux@acme.example")).json(&json!({})).send().await;
    member.good();
    for holder in [Holder::User("quux@acme.example".into()), Holder::Group("team".into())] {
        world.app.directory.give_role(&operator(), &olga.org, "auditor", &holder).await.unwrap();
    }
    let token = world.post(&api("device-tokens"), world.token(&json!({"max_uses": 9}))).await.good();
    let token = token["id"].as_str().unwrap().to_owned();
    let machine =
        Machine { id: "d1", host: "berlin-7", user: "quux", state: DeviceState::Pending, token: Some(&token) };
    let binding = machine.put(world, &olga.org).await;
    let client = json!({"name": "robot", "scopes": ["users:read"]});
    let client = world.post(&api("api-clients"), client).await.good();
    // By a page, so that the log names the person who did it.
    let fields = [
        ("name", "wiki"),
        ("entity_id", "https://wiki.example/"),
        ("acs", "https://wiki.example/acs"),
        ("entitle", "nobody"),
    ];
    let made = olga.post(world, "/o/acme/admin/services/new", &fields).await;
    let to = made.headers["location"].to_str().unwrap();
    let service = to.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let entitled = [("kind", "user"), ("subject", "quux@acme.example"), ("who", "quux@acme.example")];
    olga.post(world, &format!("/o/acme/admin/services/{service}/entitle"), &entitled).await;
    let change = olga.post(world, "/o/acme/connector/devices/d1/approve", &[]).await;
    assert_eq!(change.status, 303, "{}", change.text);
    let session = Session {
        org: olga.org.clone(),
        id: "s1".to_owned(),
        user_id: user["id"].as_str().unwrap().to_owned(),
        device_id: Some("d1".to_owned()),
        binding_id: Some(binding.clone()),
        service_id: service.clone(),
        channel: "agent".to_owned(),
        nonce: Bytes([3; 16]),
        assertion_id: "_a1".to_owned(),
        level: Level::KnownUser,
        created_at: world.now(),
        expires_at: world.now().plus(std::time::Duration::from_secs(3600)),
        ended_at: None,
        ended_reason: None,
    };
    let of = olga.org.clone();
    world.app.directory.write::<_, StoreError>(move |tx| Org::of(tx, &of).add(&session)).await.unwrap();
    let keys = world.app.directory.keys(&olga.org).await.unwrap();
    let text = |value: &serde_json::Value| value["id"].as_str().unwrap().to_owned();
    let events = olga.get(world, "/o/acme/admin/audit?action=device.approve").await.text;
    let event = events.split("/admin/audit/events/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let named = BTreeMap::from([
        ("users", text(&user)),
        ("groups", "team".to_owned()),
        ("roles", "auditor".to_owned()),
        ("tokens", token),
        ("devices", "d1".to_owned()),
        ("bindings", binding),
        ("api-clients", text(&client)),
        ("services", service),
        ("keys", keys[0].id.clone()),
        ("events", event),
        ("domains", "acme.example".to_owned()),
    ]);
    (olga, named)
}

/// The addresses a page leads to, in this organization.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let ours = parts.filter(|to| to.starts_with("/o/acme/") && !to.contains("/account"));
    ours.map(|to| to.replace("&amp;", "&").replace("&#38;", "&").split('#').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn no_page_of_a_restricted_view_names_a_person_or_a_machine() {
    let world = World::new().await;
    let (olga, named) = furnished(&world).await;
    role_of_all(&world, &olga.org, "glance", "restricted").await;
    let guest = Person::with_role(&world, "gina", Some("glance")).await;
    let here = |before: &str| named.get(before).cloned().unwrap_or_else(|| "nothing-of-this-name".to_owned());
    let doors = crate::portal::list(&world.app);
    let pages = doors.iter().filter(|door| door.method == Method::GET && door.needs.right().is_some());
    let mut waiting: Vec<String> = pages.map(|door| path(door, here)).collect();
    for list in ["admin/users", "connector/devices", "admin/audit", "admin/sessions", "admin/sessions/browsers"] {
        for (field, value) in [("q", "b"), ("q", "z"), ("user", "q"), ("serial", "s"), ("actor", "o"), ("target", "d")]
        {
            waiting.push(format!("/o/acme/{list}?{field}={value}"));
        }
    }
    for format in ["csv", "jsonl"] {
        waiting.push(format!("/o/acme/admin/audit/export?format={format}"));
    }
    let mut seen = std::collections::BTreeSet::new();
    let (mut shown, mut named_to_the_owner, mut wrong) = (0, std::collections::BTreeSet::<&str>::new(), Vec::new());
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) || seen.len() > 600 {
            continue;
        }
        let page = guest.get(&world, &path).await;
        assert!(page.status.as_u16() < 500, "{path}: {}", page.text);
        shown += usize::from(page.status == 200);
        let told = format!("{:?} {}", page.headers, page.text).to_lowercase();
        wrong
            .extend(HIDDEN.iter().filter(|hidden| told.contains(**hidden)).map(|hidden| format!("{hidden} on {path}")));
        if page.status == 200 {
            // The owner sees there what the guest does not, or the test would prove nothing.
            let whole = olga.get(&world, &path).await.text.to_lowercase();
            named_to_the_owner.extend(HIDDEN.iter().filter(|hidden| whole.contains(**hidden)));
            waiting.extend(links(&page.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(shown > 25, "only {shown} pages were shown");
    assert_eq!(named_to_the_owner.len(), HIDDEN.len(), "the owner sees all of it: {named_to_the_owner:?}");
}

#[tokio::test]
async fn a_restricted_view_cannot_tell_by_searching_what_there_is() {
    let world = World::new().await;
    let (olga, _) = furnished(&world).await;
    role_of_all(&world, &olga.org, "glance", "restricted").await;
    let guest = Person::with_role(&world, "gina", Some("glance")).await;
    let searches = [
        ("admin/users", "q", "zebedee"),
        ("admin/users/export", "q", "zebedee"),
        ("connector/devices", "q", "berlin-7"),
        ("connector/devices/export", "q", "berlin-7"),
        ("connector/devices", "serial", "SN-d1"),
        ("connector/devices", "user", "quux@acme.example"),
        ("admin/sessions", "user", "quux@acme.example"),
        ("admin/sessions/browsers", "user", "olga@acme.example"),
        ("admin/audit", "actor", "olga@acme.example"),
        ("admin/audit/export", "actor", "olga@acme.example"),
    ];
    for (list, field, there) in searches {
        let mut told = Vec::new();
        for value in [there, "nobody-at-all"] {
            let page = guest.get(&world, &format!("/o/acme/{list}?{field}={value}")).await;
            let rows = page.text.matches("<tr").count() + page.text.lines().count();
            told.push((page.status, rows));
        }
        assert_eq!(told[0], told[1], "{list}?{field}={there}: what is found and what is not look alike");
    }
}
