//! The server on PostgreSQL, which goes away and comes back.

use crate::private_postgres::PrivatePostgres;
use crate::server::{Place, body, status, until};

#[test]
fn the_server_keeps_its_data_in_postgresql_and_outlives_its_absence() {
    let postgres = PrivatePostgres::start();
    postgres.sql("postgres", "CREATE DATABASE cloud");
    let url = postgres.url("cloud");
    let database = ["--database", url.as_str()];
    let check = ["check", "--database", url.as_str()];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--database", url.as_str()];
    let place = Place::new();

    let server = place.start(&database);
    place.does(&["org", "create", "acme", "--name", "Acme"]);
    place.fails(5, "LK-BACKUP-001", &["backup", &place.text("b.lk")]);
    assert!(server.stop().success());
    let server = place.start(&database);
    assert_eq!(place.does(&["org", "show", "acme"])["name"], "Acme");
    assert!(!place.path("d/latchkey.db").exists());
    let found = place.does(&check);
    let durability = found["checks"].as_array().unwrap().iter().find(|check| check["name"] == "durability").unwrap();
    assert!(durability["detail"].as_str().unwrap().contains("fsync is off"), "{durability}");

    // It goes away while the server runs, and comes back.
    postgres.down();
    let answer = server.operator_get("/readyz");
    assert_eq!(status(&answer), 503, "{answer}");
    let store = body(&answer)["checks"].as_array().unwrap().iter().find(|check| check["ok"] == false).unwrap().clone();
    assert_eq!(store["code"], "LK-NODE-001", "{store}");
    place.fails(7, "LK-NODE-001", &["org", "list"]);
    place.fails(7, "LK-NODE-001", &["org", "create", "other", "--name", "Other"]);
    assert_eq!(status(&server.operator_get("/healthz")), 200);
    postgres.up();
    until("the server is ready again", || status(&server.operator_get("/readyz")) == 200);
    place.does(&["domain", "add", "acme.example"]);
    assert_eq!(place.does(&["audit", "verify"])["ok"], true);
    assert!(server.stop().success());

    // Not to be started on: a database that may lose what was acknowledged, and one that is not there.
    postgres.sql("postgres", "ALTER DATABASE cloud SET synchronous_commit = off");
    assert!(place.fails(6, "LK-SERVE-008", &serve).contains("synchronous_commit"));
    place.fails(8, "store", &check);
    postgres.sql("postgres", "ALTER DATABASE cloud RESET synchronous_commit");
    postgres.down();
    place.fails(6, "LK-SERVE-008", &serve);
    place.fails(8, "store", &check);
}
