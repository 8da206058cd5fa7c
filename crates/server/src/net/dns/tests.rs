use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use async_trait::async_trait;
use hickory_resolver::proto::op::{MessageType, OpCode};
use hickory_resolver::proto::rr::Record as Resource;
use hickory_resolver::proto::rr::rdata::{CNAME, TXT};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

const SECRET: &[u8; 32] = &[5; 32];
const DOMAIN: &str = "acme.se";

fn expected() -> Record {
    record(SECRET, "0199c0de", DOMAIN)
}

/// What a test server makes of a question: the messages to send, in order.
type Answers = dyn Fn(&Message, Way) -> Vec<Message> + Send + Sync;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Datagram,
    Stream,
}

/// A name server on loopback; ends with the test's runtime.
pub(super) async fn server(answers: impl Fn(&Message, Way) -> Vec<Message> + Send + Sync + 'static) -> SocketAddr {
    let answers: Arc<Answers> = Arc::new(answers);
    // Datagrams and streams on the same port: whoever holds the one may take the other, unless a stranger was quicker.
    let (socket, listener, address) = loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        if let Ok(listener) = TcpListener::bind(address).await {
            break (socket, listener, address);
        }
    };
    let by_stream = answers.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            for answer in answers(&question, Way::Datagram) {
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut question).await.unwrap();
            for answer in by_stream(&Message::from_vec(&question).unwrap(), Way::Stream) {
                let answer = answer.to_vec().unwrap();
                stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        }
    });
    address
}

/// An authoritative answer without records.
pub(super) fn reply(question: &Message) -> Message {
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.authoritative = true;
    answer.add_queries(question.queries.clone());
    answer
}

pub(super) fn name_of(question: &Message) -> Name {
    question.queries[0].name().clone()
}

fn texts(question: &Message, texts: &[&[&str]]) -> Message {
    let mut answer = reply(question);
    for strings in texts {
        let txt = TXT::new(strings.iter().map(|s| (*s).to_owned()).collect());
        answer.add_answer(Resource::from_rdata(name_of(question), 60, RData::TXT(txt)));
    }
    answer
}

fn alias(question: &Message, target: &str) -> Message {
    let mut answer = reply(question);
    let target = CNAME(Name::from_ascii(target).unwrap());
    answer.add_answer(Resource::from_rdata(name_of(question), 60, RData::CNAME(target)));
    answer
}

pub(super) fn code(question: &Message, code: ResponseCode) -> Message {
    let mut answer = reply(question);
    answer.metadata.response_code = code;
    answer
}

fn not_in_charge(mut answer: Message) -> Message {
    answer.metadata.authoritative = false;
    answer
}

/// A delegation that the test makes up: by the end of the name. Remembers what was asked.
#[derive(Default)]
struct Made {
    servers: HashMap<&'static str, Result<Vec<SocketAddr>, NoServers>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Delegation for Made {
    async fn servers_of(&self, name: &Name) -> Result<Vec<SocketAddr>, NoServers> {
        let name = name.to_ascii();
        self.asked.lock().unwrap().push(name.clone());
        let found = self.servers.iter().find(|(zone, _)| name.ends_with(**zone));
        found.map_or(Err(NoServers::NoZone), |(_, servers)| servers.clone())
    }
}

async fn check_at(servers: Vec<SocketAddr>) -> Verdict {
    let made = Made { servers: HashMap::from([("acme.se.", Ok(servers))]), ..Made::default() };
    DomainCheck::with_delegation(Arc::new(made)).check(DOMAIN, &expected()).await
}

/// For servers of which no answer is expected at all, however long one waits.
async fn check_in_haste_at(server: SocketAddr) -> Verdict {
    let made = Made { servers: HashMap::from([("acme.se.", Ok(vec![server]))]), ..Made::default() };
    let mut check = DomainCheck::with_delegation(Arc::new(made));
    let moment = std::time::Duration::from_millis(20);
    check.patience = Patience { datagram: moment, attempts: 2, stream: moment };
    check.check(DOMAIN, &expected()).await
}

fn value() -> String {
    expected().value
}

#[tokio::test]
async fn the_record_is_found_among_others() {
    let at = server(|q, _| vec![texts(q, &[&["something else"], &[&value()], &["v=spf1 -all"]])]).await;
    assert_eq!(check_at(vec![at]).await, Verdict::Found { server: at });
}

#[tokio::test]
async fn the_question_is_for_the_challenge_name_and_asks_no_recursion() {
    let at = server(|q, _| {
        assert_eq!(name_of(q).to_ascii(), "_latchkey-challenge.acme.se.");
        assert_eq!(q.queries[0].query_type(), RecordType::TXT);
        assert!(!q.metadata.recursion_desired);
        vec![texts(q, &[&[&value()]])]
    })
    .await;
    assert_eq!(check_at(vec![at]).await, Verdict::Found { server: at });
}

#[tokio::test]
async fn a_value_that_the_zone_cut_in_strings_is_put_together() {
    let at = server(|q, _| {
        let (front, back) = (&value()[..20].to_owned(), &value()[20..].to_owned());
        vec![texts(q, &[&[front, back]])]
    })
    .await;
    assert_eq!(check_at(vec![at]).await, Verdict::Found { server: at });
    // Two records are two values.
    let at = server(|q, _| vec![texts(q, &[&[&value()[..20]], &[&value()[20..]]])]).await;
    assert!(matches!(check_at(vec![at]).await, Verdict::Missing { .. }));
}

#[tokio::test]
async fn a_wrong_value_is_a_miss_that_shows_what_is_there() {
    let long = "x".repeat(200);
    let wrong = record(SECRET, "another-org", DOMAIN).value;
    let (there, sent) = (wrong.clone(), long.clone());
    let at = server(move |q, _| vec![texts(q, &[&[&there], &["a\u{1b}[31mb\u{0}"], &[&sent, &sent]])]).await;
    let Verdict::Missing { server, found, name_exists } = check_at(vec![at]).await else { panic!("no miss") };
    assert_eq!((server, name_exists), (at, true));
    assert_eq!(found[0], wrong);
    assert_eq!(found[1], "a\u{fffd}[31mb\u{fffd}");
    assert_eq!(found[2].chars().count(), MAX_TEXT + 1);
}

#[tokio::test]
async fn no_such_name_and_no_text_there_are_misses() {
    let at = server(|q, _| vec![code(q, ResponseCode::NXDomain)]).await;
    assert_eq!(check_at(vec![at]).await, Verdict::Missing { server: at, found: vec![], name_exists: false });
    let at = server(|q, _| vec![reply(q)]).await;
    assert_eq!(check_at(vec![at]).await, Verdict::Missing { server: at, found: vec![], name_exists: true });
}

#[tokio::test]
async fn an_answer_of_nobody_in_charge_is_no_miss_and_proves_nothing() {
    for (answer, why) in [
        (ResponseCode::NoError, NoAnswer::Lame),
        (ResponseCode::NXDomain, NoAnswer::Lame),
        (ResponseCode::ServFail, NoAnswer::Refused(ResponseCode::ServFail)),
        (ResponseCode::Refused, NoAnswer::Refused(ResponseCode::Refused)),
        (ResponseCode::NotAuth, NoAnswer::Refused(ResponseCode::NotAuth)),
    ] {
        let at = server(move |q, _| vec![not_in_charge(code(q, answer))]).await;
        assert_eq!(check_at(vec![at]).await, Verdict::NoAnswer(Silence::Servers(vec![(at, why)])), "{answer}");
    }
    // Even with the record in it: a cache may be poisoned.
    let at = server(|q, _| vec![not_in_charge(texts(q, &[&[&value()]]))]).await;
    assert_eq!(check_at(vec![at]).await, Verdict::NoAnswer(Silence::Servers(vec![(at, NoAnswer::Lame)])));
}

#[tokio::test]
async fn one_server_that_has_the_record_outweighs_those_that_lag_behind_or_fail() {
    let lagging = server(|q, _| vec![code(q, ResponseCode::NXDomain)]).await;
    let broken = server(|q, _| vec![code(q, ResponseCode::ServFail)]).await;
    let good = server(|q, _| vec![texts(q, &[&[&value()]])]).await;
    assert_eq!(check_at(vec![lagging, broken, good]).await, Verdict::Found { server: good });
    let verdict = check_at(vec![broken, lagging]).await;
    assert_eq!(verdict, Verdict::Missing { server: lagging, found: vec![], name_exists: false });
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_asked_for_by_stream() {
    let at = server(|q, way| {
        let mut answer = texts(q, &[&[&value()]]);
        if way == Way::Datagram {
            answer.answers.clear();
            answer.metadata.truncation = true;
        }
        vec![answer]
    })
    .await;
    assert_eq!(check_at(vec![at]).await, Verdict::Found { server: at });
    // Cut short even by stream: not an answer, and not a miss.
    let at = server(|q, _| {
        let mut answer = reply(q);
        answer.metadata.truncation = true;
        vec![answer]
    })
    .await;
    assert_eq!(check_at(vec![at]).await, Verdict::NoAnswer(Silence::Servers(vec![(at, NoAnswer::Malformed)])));
}

#[tokio::test]
async fn a_lie_that_comes_first_is_passed_over() {
    let at = server(|q, _| {
        let mut wrong_id = code(q, ResponseCode::NXDomain);
        wrong_id.metadata.id = wrong_id.metadata.id.wrapping_add(1);
        let mut wrong_question = code(q, ResponseCode::NXDomain);
        wrong_question.queries[0].set_name(Name::from_ascii("acme.se.").unwrap());
        let mut no_question = code(q, ResponseCode::NXDomain);
        no_question.queries.clear();
        let mut a_question = reply(q);
        a_question.metadata.message_type = MessageType::Query;
        vec![wrong_id, wrong_question, no_question, a_question, texts(q, &[&[&value()]])]
    })
    .await;
    assert_eq!(check_at(vec![at]).await, Verdict::Found { server: at });
}

#[tokio::test]
async fn silence_and_nothing_but_lies_are_no_miss() {
    let silent = server(|_, _| vec![]).await;
    let lying = server(|q, _| {
        let mut answer = code(q, ResponseCode::NXDomain);
        answer.metadata.id = answer.metadata.id.wrapping_add(1);
        vec![answer]
    })
    .await;
    for at in [silent, lying] {
        let verdict = check_in_haste_at(at).await;
        assert_eq!(verdict, Verdict::NoAnswer(Silence::Servers(vec![(at, NoAnswer::Timeout)])));
    }
}

#[tokio::test]
async fn a_closed_port_is_no_miss() {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let Verdict::NoAnswer(Silence::Servers(servers)) = check_at(vec![closed]).await else { panic!("an answer") };
    assert!(matches!(servers.as_slice(), [(at, NoAnswer::Unreachable(_))] if *at == closed), "{servers:?}");
}

#[tokio::test]
async fn an_alias_is_followed_to_the_zone_it_leads_to() {
    let own = server(|q, _| vec![alias(q, "acme.challenges.se.")]).await;
    let other = server(|q, _| vec![texts(q, &[&[&value()]])]).await;
    let made = Arc::new(Made {
        servers: HashMap::from([("acme.se.", Ok(vec![own])), (".challenges.se.", Ok(vec![other]))]),
        ..Made::default()
    });
    let verdict = DomainCheck::with_delegation(made.clone()).check(DOMAIN, &expected()).await;
    assert_eq!(verdict, Verdict::Found { server: other });
    assert_eq!(*made.asked.lock().unwrap(), ["_latchkey-challenge.acme.se.", "acme.challenges.se."]);
}

#[tokio::test]
async fn aliases_that_run_in_a_circle_end() {
    let at = server(|q, _| vec![alias(q, "_latchkey-challenge.acme.se.")]).await;
    let Verdict::NoAnswer(silence) = check_at(vec![at]).await else { panic!("an answer") };
    assert_eq!(silence, Silence::Aliases);
}

#[tokio::test]
async fn an_alias_with_its_text_in_the_same_answer_needs_no_second_question() {
    let at = server(|q, _| {
        let mut answer = alias(q, "elsewhere.acme.se.");
        let txt = TXT::new(vec![value()]);
        answer.add_answer(Resource::from_rdata(Name::from_ascii("elsewhere.acme.se.").unwrap(), 60, RData::TXT(txt)));
        vec![answer]
    })
    .await;
    assert_eq!(check_at(vec![at]).await, Verdict::Found { server: at });
    // A text that hangs on another name is nothing to us.
    let at = server(|q, _| {
        let mut answer = reply(q);
        let txt = TXT::new(vec![value()]);
        answer.add_answer(Resource::from_rdata(Name::from_ascii("acme.se.").unwrap(), 60, RData::TXT(txt)));
        vec![answer]
    })
    .await;
    assert!(matches!(check_at(vec![at]).await, Verdict::Missing { .. }));
}

#[tokio::test]
async fn not_knowing_whom_to_ask_is_no_miss() {
    let none = NoServers::NotPublic { zone: DOMAIN.into() };
    let made = Made { servers: HashMap::from([("acme.se.", Err(none.clone()))]), ..Made::default() };
    let verdict = DomainCheck::with_delegation(Arc::new(made)).check(DOMAIN, &expected()).await;
    assert_eq!(verdict, Verdict::NoAnswer(Silence::NoServers(none)));
}

#[tokio::test]
async fn a_name_that_nobody_can_verify_is_told_at_once_and_asked_nowhere() {
    for (domain, suffix) in [
        ("acme.test", "test"),
        ("acme.example", "example"),
        ("mail.example.com", "example.com"),
        ("host.home.arpa", "home.arpa"),
        ("acme.internal", "internal"),
        ("printer.local", "local"),
        ("a.b.localhost", "localhost"),
        ("x.invalid", "invalid"),
        ("intranet", "intranet"),
        ("acme", "acme"),
    ] {
        let made = Arc::new(Made::default());
        let verdict = DomainCheck::with_delegation(made.clone()).check(domain, &record(SECRET, "o", domain)).await;
        assert_eq!(verdict, Verdict::Unverifiable { suffix: suffix.into() });
        assert!(made.asked.lock().unwrap().is_empty());
    }
    assert_eq!(unverifiable("contest.se"), None);
    assert_eq!(unverifiable("local.se"), None);
    assert_eq!(unverifiable("myexample.com"), None);
}

#[tokio::test]
async fn the_operators_server_decides_for_every_name() {
    let record = record(SECRET, "0199c0de", "acme.internal");
    let value = record.value.clone();
    let at = server(move |q, _| {
        assert!(q.metadata.recursion_desired);
        let mut answer = not_in_charge(texts(q, &[&[&value]]));
        answer.metadata.recursion_available = true;
        vec![answer]
    })
    .await;
    assert_eq!(DomainCheck::new(Some(at)).check("acme.internal", &record).await, Verdict::Found { server: at });
    // It may be in charge itself.
    let at = server(|q, _| vec![code(q, ResponseCode::NXDomain)]).await;
    assert!(matches!(DomainCheck::new(Some(at)).check("acme.internal", &record).await, Verdict::Missing { .. }));
    // One that only points elsewhere has not answered.
    let at = server(|q, _| vec![not_in_charge(reply(q))]).await;
    let verdict = DomainCheck::new(Some(at)).check("acme.internal", &record).await;
    assert_eq!(verdict, Verdict::NoAnswer(Silence::Servers(vec![(at, NoAnswer::Lame)])));
}

#[tokio::test]
async fn an_administrator_is_told_which_server_has_what() {
    let at = server(|q, _| vec![texts(q, &[&["v=spf1 -all"]])]).await;
    let (code, words) = check_at(vec![at]).await.complaint(&expected()).unwrap();
    assert_eq!(code, Own::Domain001);
    assert_eq!(words, format!("at _latchkey-challenge.acme.se the server {at} has \"v=spf1 -all\""));
    let silence = Verdict::NoAnswer(Silence::Servers(vec![(at, NoAnswer::Refused(ResponseCode::ServFail))]));
    let (code, words) = silence.complaint(&expected()).unwrap();
    assert_eq!(code, Own::Domain002);
    assert!(words.contains(&at.to_string()) && words.contains("Server Failure"), "{words}");
    assert_eq!(Verdict::Unverifiable { suffix: "test".into() }.complaint(&expected()).unwrap().0, Own::Domain003);
    assert_eq!(Verdict::Found { server: at }.complaint(&expected()), None);
}

#[test]
fn another_organization_domain_or_cloud_has_another_record() {
    let ours = expected();
    assert_eq!(ours.name, "_latchkey-challenge.acme.se");
    assert!(ours.value.starts_with(PREFIX) && ours.value.len() == PREFIX.len() + 32);
    assert_eq!(ours, record(SECRET, "0199c0de", DOMAIN));
    for other in [
        record(SECRET, "0199c0df", DOMAIN),
        record(SECRET, "0199c0de", "acme.no"),
        record(&[6; 32], "0199c0de", DOMAIN),
        record(SECRET, "0199c0dea", "cme.se"),
    ] {
        assert_ne!(other.value, ours.value);
    }
}

proptest! {
    #[test]
    fn whatever_a_zone_says_can_be_shown(text in "\\PC{0,400}|[\\x00-\\x1f]{0,400}") {
        let shown = shown(&text);
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert!(shown.chars().count() <= MAX_TEXT + 1);
    }
}
