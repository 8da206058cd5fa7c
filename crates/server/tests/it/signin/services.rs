//! Services as the directory keeps them.

use latchkey_directory::audit::Actor;
use latchkey_directory::services::{Described, Entitled, Refreshed, ServiceChange, ServiceSettings};
use latchkey_directory::{Error, Intent};
use latchkey_wire::Level;

use super::world::{ACS, SP, World};

fn described(entity_id: &str, acs: &str) -> Described {
    let https = latchkey_server::saml::known::http_policy(false);
    let metadata = latchkey_server::saml::known::by_hand(entity_id, &[acs.into()], https).unwrap();
    Described {
        entity_id: entity_id.into(),
        acs: vec![acs.into()],
        metadata: metadata.into_bytes(),
        metadata_url: None,
    }
}

fn new(name: &str, entity_id: &str) -> latchkey_directory::services::NewService {
    latchkey_directory::services::NewService {
        name: name.into(),
        described: described(entity_id, ACS),
        settings: ServiceSettings::default(),
        min_evidence: Level::Asserted,
        entitle: vec![Entitled::Everyone],
    }
}

#[tokio::test]
async fn names_and_entity_ids_are_unique() {
    let world = World::new().await;
    let directory = &world.app.directory;
    let intent = Intent::of(&Actor::system());
    for (name, entity_id) in [("wiki", "https://other.example"), ("other", SP)] {
        let error = directory.create_service(&intent, &world.org, new(name, entity_id)).await.unwrap_err();
        assert!(matches!(error, Error::Exists { noun: "service", .. }), "{error}");
    }
    let mut nobody = new("other", "https://other.example");
    nobody.entitle = vec![Entitled::Group("nothing".into()), Entitled::User("nobody@acme.example".into())];
    let Err(Error::Invalid(wrong)) = directory.create_service(&intent, &world.org, nobody).await else { panic!() };
    assert_eq!(wrong.iter().map(|w| w.pointer.as_str()).collect::<Vec<_>>(), ["/entitle/0", "/entitle/1"]);
    let dry = Intent { dry_run: true, ..intent };
    directory.create_service(&dry, &world.org, new("dry", "https://dry.example")).await.unwrap();
    assert_eq!(directory.services(&world.org).await.unwrap().len(), 1, "a dry run keeps nothing");
}

#[tokio::test]
async fn a_refresh_waits_for_approval_of_exactly_what_was_seen() {
    let world = World::new().await;
    let directory = &world.app.directory;
    let intent = Intent::of(&Actor::system());
    let refresh = |acs: &'static str, approved| {
        directory.refresh_service(&intent, &world.org, "wiki", described(SP, acs), approved)
    };
    assert_eq!(refresh(ACS, None).await.unwrap().0, Refreshed::Unchanged);
    let (outcome, view) = refresh("https://wiki.example/2", None).await.unwrap();
    let Refreshed::Pending(hash) = outcome else { panic!() };
    assert_eq!(view.acs, [ACS], "nothing changed yet");
    assert!(view.metadata_pending_sha256.is_some());
    assert!(matches!(refresh("https://wiki.example/3", Some(hash)).await, Err(Error::State { .. })));
    let (outcome, view) = refresh("https://wiki.example/2", Some(hash)).await.unwrap();
    assert_eq!((outcome, view.acs.as_slice()), (Refreshed::Applied, &["https://wiki.example/2".to_owned()][..]));
    assert_eq!(view.metadata_pending_sha256, None);
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name_and_a_deletion_ends_sessions() {
    let world = World::new().await;
    let directory = &world.app.directory;
    let intent = Intent::of(&Actor::system());
    let anna = world.person("anna", Level::Asserted).await;
    world.sign_in(&anna).await.saml();
    let settings = ServiceSettings { name_id: "transient".into(), ..ServiceSettings::default() };
    let change = ServiceChange { settings: Some(settings), ..ServiceChange::default() };
    let view = directory.change_service(&intent, &world.org, "wiki", change).await.unwrap();
    assert_eq!(
        (view.name_id.as_str(), view.acs.as_slice(), view.entitle.as_slice()),
        ("transient", &[ACS.to_owned()][..], &["everyone".to_owned()][..])
    );
    let change = ServiceChange { name: Some("handbook".into()), entitle: Some(Vec::new()), ..ServiceChange::default() };
    let view = directory.change_service(&intent, &world.org, "wiki", change).await.unwrap();
    assert_eq!((view.name.as_str(), view.name_id.as_str(), view.entitle.len()), ("handbook", "transient", 0));
    directory.delete_service(&intent, &world.org, "handbook").await.unwrap();
    let [session] = &world.sessions().await[..] else { panic!() };
    assert_eq!(session.ended_reason.as_deref(), Some("service"));
    assert!(matches!(directory.service(&world.org, "handbook").await, Err(Error::NotFound { .. })));
}
