//! How an organization looks: set, seen before, and nowhere a way in for markup or styles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_wire::bytes::sha256;
use serde_json::json;

use super::owned;
use crate::api::tests::world::{Answer, World};
use crate::portal::tests::people::Person;

const HERE: &str = "/o/acme/admin/branding";

/// The smallest PNG that is one by its headers.
fn png(width: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], body: &[u8]| {
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], kind, body, &[0; 4]].concat()
    };
    let header = [&width.to_be_bytes()[..], &40u32.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", b"x"), &chunk(b"IEND", b"")].concat()
}

fn hidden(page: &str, name: &str) -> String {
    let after = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}")).1;
    after.split('"').next().unwrap().replace("&#34;", "\"").replace("&quot;", "\"")
}

/// Sends the page's form with a file, as a browser does.
async fn send(world: &World, person: &Person, fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Answer {
    let page = person.get(world, HERE).await;
    let mut body = Vec::new();
    let version = hidden(&page.text, "version");
    for (name, value) in [("csrf", person.csrf.as_str()), ("version", version.as_str())].iter().chain(fields) {
        body.extend(format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    if let Some((kind, bytes)) = file {
        let head = format!(
            "--xx\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"l\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend(head.bytes().chain(bytes.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"--xx--\r\n");
    let ask = world.ask("POST", HERE).public().header("cookie", &person.cookie).header("accept", "text/html");
    ask.bytes("multipart/form-data; boundary=xx", &body).send().await
}

/// The page's only style sheet is the one that its policy names.
fn styled(answer: &Answer) -> String {
    let style = answer.text.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let hash = STANDARD.encode(sha256(style.as_bytes()).0);
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")) && !policy.contains("unsafe"), "{policy}");
    assert!(!answer.text.contains(" style=") && answer.text.len() <= 100 * 1024);
    style.to_owned()
}

async fn sign_in_page(world: &World) -> Answer {
    world.ask("GET", "/o/acme/signin").public().header("accept", "text/html").send().await
}

#[tokio::test]
async fn what_is_chosen_is_seen_first_and_then_by_everybody() {
    let (world, owner) = owned().await;
    let logo = png(160);
    let chosen = [
        ("accent", "#1D4ED8"),
        ("sign_in_title", "Welcome <b>to</b> Acme"),
        ("sign_in_help", "Use your passkey."),
        ("support_contact", "help@acme.example"),
        ("sender_name", "Acme IT"),
    ];
    let preview = send(&world, &owner, &[&chosen[..], &[("do", "preview")]].concat(), Some(("image/png", &logo))).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(styled(&preview).contains("--accent:light-dark(#1d4ed8,"), "{}", preview.text);
    let kept = hidden(&preview.text, "kept");
    let shown = owner.get_bytes(&world, &format!("{HERE}/logo/{kept}")).await;
    assert_eq!((shown.0.as_u16(), shown.2), (200, logo.clone()));
    assert!(!styled(&sign_in_page(&world).await).contains("#1d4ed8"), "nobody else sees a preview");
    let stranger = Person::with_role(&world, "otto", Some("owner")).await;
    assert_eq!(stranger.get(&world, &format!("{HERE}/logo/{kept}")).await.status, 404);

    let saved = send(&world, &owner, &[&chosen[..], &[("do", "save"), ("kept", &kept)]].concat(), None).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let sign_in = sign_in_page(&world).await;
    assert!(styled(&sign_in).contains("--accent:light-dark(#1d4ed8,"));
    for words in ["Welcome &#60;b&#62;to&#60;/b&#62; Acme", "Use your passkey.", "Help: help@acme.example"] {
        assert!(sign_in.text.contains(words), "{words}: {}", sign_in.text);
    }
    let at = sign_in.text.split_once("<img src=\"").unwrap().1.split('"').next().unwrap().to_owned();
    assert!(at.starts_with("/o/acme/logo/"), "{at}");
    let (status, headers, bytes) = owner.get_bytes(&world, &at).await;
    assert_eq!((status.as_u16(), bytes), (200, logo));
    assert_eq!(headers["content-type"], "image/png");
    assert!(headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    for page in ["/o/acme/", HERE, "/o/acme/account"] {
        assert!(styled(&owner.get(&world, page).await).contains("#1d4ed8"), "{page}");
    }
    // A refusal looks the same, and says whom to ask.
    let nobody = Person::with_role(&world, "nora", None).await;
    let refused = nobody.get(&world, HERE).await;
    assert!(refused.status == 403 && refused.text.contains("help@acme.example"), "{}", refused.text);
    styled(&refused);
    assert_eq!(world.app.directory.sender_name(&owner.org).await.unwrap(), "Acme IT");

    assert_eq!(owner.post(&world, &format!("{HERE}/reset"), &[]).await.status, 303);
    let plain = sign_in_page(&world).await;
    assert!(!styled(&plain).contains("#1d4ed8") && !plain.text.contains("<img"), "{}", plain.text);
    assert_eq!(world.ask("GET", &at).public().send().await.status, 404, "the logo is gone");
    assert_eq!(world.app.directory.sender_name(&owner.org).await.unwrap(), "acme");
}

#[tokio::test]
async fn what_cannot_be_read_or_is_no_picture_comes_back_with_what_to_do() {
    let (world, owner) = owned().await;
    let refused = send(&world, &owner, &[("accent", "#ffcc00"), ("sign_in_help", "kept as typed")], None).await;
    assert!(refused.status == 422 && refused.text.contains("the nearest that can be read is #"), "{}", refused.text);
    assert!(refused.text.contains("value=\"#ffcc00\"") && refused.text.contains("value=\"kept as typed\""));
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    for (kind, bytes) in
        [("image/svg+xml", &svg[..]), ("image/png", svg), ("text/plain", b"x"), ("image/png", &png(2_001))]
    {
        let refused = send(&world, &owner, &[("accent", "")], Some((kind, bytes))).await;
        assert!(refused.status == 422 && refused.text.contains("id=\"e-logo\""), "{kind}: {}", refused.text);
        assert_eq!(hidden(&refused.text, "kept"), "");
    }
    assert_eq!(world.app.directory.branding(&owner.org).await.unwrap().updated_at, None, "nothing was changed");
}

#[tokio::test]
async fn the_api_sees_the_same_document_under_the_same_rights() {
    let world = World::with_acme().await;
    let here = "/api/v1/o/acme/branding";
    let before = world.get(here).await;
    let etag = before.etag();
    assert_eq!(before.good()["accent"], serde_json::Value::Null);
    let set = json!({"accent": "#0C626D", "logo": STANDARD.encode(png(10))});
    let tried = world.ask("PATCH", &format!("{here}?dry_run=true")).json(&set).send().await.good();
    assert!(tried["would"].is_object(), "{tried}");
    assert_eq!(world.get(here).await.etag(), etag);
    let made = world.ask("PATCH", here).header("if-match", &etag).json(&set).send().await.good();
    assert_eq!((made["accent"].as_str(), made["logo"]["width"].as_u64()), (Some("#0c626d"), Some(10)));
    let late = world.ask("PATCH", here).header("if-match", &etag).json(&json!({"accent": null})).send().await;
    assert_eq!(late.refusal().0, 412);
    let wrong = json!({"accent": "#ffcc00", "logo": "!", "sign_in_title": "a\nb"});
    let wrong = world.patch(here, wrong).await;
    assert_eq!(wrong.pointers(), ["/sign_in_title", "/accent", "/logo"]);
    let cleared = world.patch(here, json!({"logo": null})).await.good();
    assert!(cleared["logo"].is_null() && cleared["accent"] == "#0c626d", "{cleared}");
    assert_eq!(world.delete(here).await.status, 204);
    assert!(world.get(here).await.good()["accent"].is_null());
}
