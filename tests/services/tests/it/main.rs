//! Service providers that others wrote, set up in every way they can be, answered well and badly. Each cell of the table
//! is run and says what the service made of the answer; `target/report/services.txt` keeps it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "in a test a panic is the report")]

mod attacker;
mod browser;
mod cells;
mod cloud;
mod forger;
mod programs;
mod real;
mod service;

use attacker::USER;
use cells::{Case, Kind, Outcome, Setup, Table};
use cloud::Cloud;
use forger::{Forger, Lies};
use jiff::SignedDuration;
use real::Product;
use service::Service;

/// Runs all cells of one service with requests by one binding.
fn table(kind: Kind, binding: &'static str, real: &mut dyn Cloud) {
    let mut table = Table::new(kind, binding);
    let mut forger = Forger::new();
    for setup in Setup::all(binding) {
        let service = Service::start(kind, setup, real);
        table.record(setup, Case::Good, &service.sign_in(Case::Good, real));
        table.record(setup, Case::Replayed, &service.replay());
        service.attacker.alter(true);
        table.record(setup, Case::Altered, &service.sign_in(Case::Altered, real));
        drop(service);

        // A real identity provider does not sign these, so they come from one that the service trusts as much. That it
        // does, an honest answer shows first: what follows is refused for its content.
        forger.lies = Lies::default();
        let service = Service::start(kind, setup, &mut forger);
        assert_eq!(service.sign_in(Case::Good, &mut forger), Outcome::Accepted, "{kind:?} {setup:?}");
        forger.lies = Lies { audience: Some("https://other.example/metadata"), ..Lies::default() };
        table.record(setup, Case::WrongAudience, &service.sign_in(Case::WrongAudience, &mut forger));
        forger.lies = Lies { age: SignedDuration::from_hours(1), ..Lies::default() };
        table.record(setup, Case::Expired, &service.sign_in(Case::Expired, &mut forger));
    }
    table.finish();
}

#[test]
fn demo_service_asking_by_redirect_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::DemoService, "redirect", &mut Product::new());
}

#[test]
fn demo_service_asking_by_post_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::DemoService, "post", &mut Product::new());
}

#[test]
fn mellon_asking_by_redirect_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::Mellon, "redirect", &mut Product::new());
}

#[test]
fn mellon_asking_by_post_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::Mellon, "post", &mut Product::new());
}

#[test]
fn python3_saml_asking_by_redirect_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::Python3Saml, "redirect", &mut Product::new());
}

#[test]
fn python3_saml_asking_by_post_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::Python3Saml, "post", &mut Product::new());
}

#[test]
fn shibboleth_asking_by_redirect_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::Shibboleth, "redirect", &mut Product::new());
}

#[test]
fn shibboleth_asking_by_post_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::Shibboleth, "post", &mut Product::new());
}

#[test]
fn simplesamlphp_asking_by_redirect_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::SimpleSamlPhp, "redirect", &mut Product::new());
}

#[test]
fn simplesamlphp_asking_by_post_takes_good_answers_and_refuses_bad_ones() {
    table(Kind::SimpleSamlPhp, "post", &mut Product::new());
}

/// A hand-over sheet promises that a service is set up by following it.
fn sheets(real: &mut dyn Cloud) {
    for name_id in ["email", "persistent", "transient"] {
        let setup = Setup { binding: "redirect", requests: "signed", name_id };
        let page = Service::start_by_sheet(Kind::Mellon, setup, real).page(real);
        // What the sheet's directives make of the attributes.
        assert!(page.contains(&format!("\nmail={USER}\n")), "{name_id}: {page}");
        if name_id != "persistent" {
            assert!(page.contains(&format!("\nREMOTE_USER={USER}\n")), "{name_id}: {page}");
        }
        for kind in [Kind::Python3Saml, Kind::SimpleSamlPhp] {
            let page = Service::start_by_sheet(kind, setup, real).page(real);
            assert!(page.contains(USER), "{kind:?} {name_id}: {page}");
        }
    }
}

#[test]
fn services_set_up_by_their_hand_over_sheets_work() {
    sheets(&mut Product::new());
}
