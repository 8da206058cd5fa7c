use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::code::Own;

const NAME: &str = "idp.acme.se";
const XML: &str = "application/samlmetadata+xml";
const OPERATOR: Reach = Reach::Operator { allow_http: false };

/// A CA of the test's own, and a certificate for one name.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "a test's CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.into()))
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What a test server answers to the head of a request, and whether it then hangs.
type Answers = dyn Fn(&str) -> (Vec<u8>, bool) + Send + Sync;

#[derive(Clone)]
struct Site {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.port)
    }

    fn visits(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

async fn site(
    at: Ipv4Addr,
    tls: Option<TlsAcceptor>,
    answers: impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync + 'static,
) -> Site {
    let answers: Arc<Answers> = Arc::new(answers);
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let site = Site { port: listener.local_addr().unwrap().port(), heads: Arc::default() };
    let heads = site.heads.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, answers, heads) = (tls.clone(), answers.clone(), heads.clone());
            tokio::spawn(async move {
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, &*answers, &heads).await;
                        }
                    }
                    None => serve(stream, &*answers, &heads).await,
                }
            });
        }
    });
    site
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answers: &Answers, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        if head.is_empty() && byte == 0x16 {
            // TLS where plain HTTP is spoken; what a server says to that.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
            return;
        }
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let (answer, hangs) = answers(&head);
    // The client may have seen enough and gone.
    let _ = stream.write_all(&answer).await;
    let _ = stream.flush().await;
    if hangs {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> (Vec<u8>, bool) {
    (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes(), false)
}

fn head(lines: &str) -> (Vec<u8>, bool) {
    (format!("HTTP/1.1 {lines}\r\nContent-Length: 0\r\n\r\n").into_bytes(), false)
}

/// Names and their addresses; each question takes the next answer, the last one stays.
#[derive(Default)]
struct Names {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Names {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.get(host).filter(|a| !a.is_empty()).ok_or(io::ErrorKind::NotFound)?;
        Ok(answers[turn.min(answers.len() - 1)].clone())
    }
}

fn names(answers: &[&[&str]]) -> Arc<Names> {
    let answers = answers.iter().map(|turn| turn.iter().map(|a| a.parse().unwrap()).collect()).collect();
    Arc::new(Names { answers: HashMap::from([(NAME.to_owned(), answers)]), ..Names::default() })
}

fn fetcher(authority: &Authority, names: Arc<Names>, allow: &[&str]) -> Fetcher {
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    let settings = FetchSettings { allow, extra_roots: vec![authority.root.clone()] };
    Fetcher::with_resolver(settings, names).unwrap()
}

/// A site on loopback under its right name, and a fetcher that trusts it; who fetches has to be allowed to.
async fn good_site(answers: impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync + 'static) -> (Site, Fetcher) {
    let authority = Authority::new();
    let site = site(Ipv4Addr::LOCALHOST, Some(authority.acceptor(NAME)), answers).await;
    let fetcher = fetcher(&authority, names(&[&["127.0.0.1"]]), &[]);
    (site, fetcher)
}

async fn refused(fetcher: &Fetcher, url: &str, reach: Reach) -> FetchError {
    fetcher.fetch(url, reach, XML).await.expect_err(url)
}

#[tokio::test]
async fn a_document_is_fetched_whole() {
    let (site, fetcher) = good_site(|_| ok("<EntityDescriptor/>")).await;
    let fetched = fetcher.fetch(&site.url("/meta?x=1#part"), OPERATOR, XML).await.unwrap();
    assert_eq!(fetched.body, b"<EntityDescriptor/>");
    assert_eq!(fetched.url.as_str(), site.url("/meta?x=1"));
    let heads = site.heads.lock().unwrap();
    let head = heads[0].to_ascii_lowercase();
    assert!(head.starts_with("get /meta?x=1 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {NAME}:{}\r\n", site.port)) && head.contains("accept-encoding: identity"));
}

#[tokio::test]
async fn a31_a_name_that_leads_to_loopback_link_local_or_a_private_network_is_not_followed() {
    let authority = Authority::new();
    let site = site(Ipv4Addr::LOCALHOST, Some(authority.acceptor(NAME)), |_| ok("secret")).await;
    for address in [
        "127.0.0.1",
        "127.0.0.2",
        "::1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.0.10",
        "100.64.0.1",
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "fd12::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::127.0.0.1",
    ] {
        let fetcher = fetcher(&authority, names(&[&[address]]), &[]);
        assert_eq!(refused(&fetcher, &site.url("/"), Reach::Public).await, FetchError::Forbidden, "{address}");
    }
    // One public address in front of it changes nothing.
    for mixed in [["9.9.9.9", "127.0.0.1"], ["127.0.0.1", "9.9.9.9"]] {
        let fetcher = fetcher(&authority, names(&[&mixed]), &[]);
        assert_eq!(refused(&fetcher, &site.url("/"), Reach::Public).await, FetchError::Forbidden);
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn a31_an_address_in_place_of_a_name_is_judged_in_all_its_spellings() {
    let fetcher = fetcher(&Authority::new(), names(&[]), &[]);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "0xa9fea9fe",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
        "10.1.2.3",
        "[::]",
        "１２７.0.0.1",
    ] {
        let url = format!("https://{host}/");
        assert_eq!(refused(&fetcher, &url, Reach::Public).await, FetchError::Forbidden, "{host}");
    }
}

#[tokio::test]
async fn a31_the_operator_reaches_private_networks_and_nobody_reaches_link_local_ones() {
    let (site, fetcher_of_operator) = good_site(|_| ok("fine")).await;
    assert!(fetcher_of_operator.fetch(&site.url("/"), OPERATOR, XML).await.is_ok());
    let everything = ["0.0.0.0/0", "::/0"];
    for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1"] {
        let fetcher = fetcher(&Authority::new(), names(&[&[address]]), &everything);
        for reach in [Reach::Public, OPERATOR] {
            assert_eq!(refused(&fetcher, &site.url("/"), reach).await, FetchError::Forbidden, "{address}");
        }
    }
}

#[tokio::test]
async fn a31_the_operators_list_opens_what_it_names_and_no_more() {
    let authority = Authority::new();
    let site = site(Ipv4Addr::LOCALHOST, Some(authority.acceptor(NAME)), |_| ok("fine")).await;
    for (address, opens) in [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("127.0.1.1", false), ("10.0.0.1", false)]
    {
        let fetcher = fetcher(&authority, names(&[&[address]]), &["127.0.0.0/24"]);
        let fetched = fetcher.fetch(&site.url("/"), Reach::Public, XML).await;
        assert_eq!(fetched.is_ok(), opens, "{address}: {fetched:?}");
    }
}

#[tokio::test]
async fn a31_a_name_that_changes_between_check_and_connection_gains_nothing() {
    let authority = Authority::new();
    let acceptor = authority.acceptor(NAME);
    let allowed = site(Ipv4Addr::new(127, 0, 0, 2), Some(acceptor.clone()), |_| ok("allowed")).await;
    let names = names(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let fetcher = fetcher(&authority, names.clone(), &["127.0.0.2/32"]);
    let fetched = fetcher.fetch(&allowed.url("/"), Reach::Public, XML).await.unwrap();
    assert_eq!((fetched.body.as_slice(), allowed.visits()), (b"allowed".as_slice(), 1));
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "asked once, and connected to what was judged");
    // From now on the name leads to where nobody may go.
    assert_eq!(refused(&fetcher, &allowed.url("/"), Reach::Public).await, FetchError::Forbidden);
    assert_eq!(allowed.visits(), 1);
}

#[tokio::test]
async fn a31_a_redirect_is_judged_like_the_first_address() {
    let authority = Authority::new();
    let acceptor = authority.acceptor(NAME);
    let site = site(Ipv4Addr::new(127, 0, 0, 2), Some(acceptor), |_| head("302 Found\r\nLocation: /again")).await;
    // The second question for the same name gets another answer.
    let fetcher = fetcher(&authority, names(&[&["127.0.0.2"], &["127.0.0.1"]]), &["127.0.0.2/32"]);
    assert_eq!(refused(&fetcher, &site.url("/"), Reach::Public).await, FetchError::Forbidden);
    assert_eq!(site.visits(), 1);
}

#[tokio::test]
async fn a31_no_redirect_to_another_host_port_or_to_http() {
    for location in [
        "https://other.acme.se/",
        "https://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1/",
        "//other.acme.se/",
        "https://idp.acme.se:1/",
        "https://idp.acme.se/",
        "http://idp.acme.se/",
        "https://user@idp.acme.se/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "gopher://idp.acme.se/",
    ] {
        let (site, fetcher) = good_site(move |_| head(&format!("302 Found\r\nLocation: {location}"))).await;
        let error = refused(&fetcher, &site.url("/"), Reach::Operator { allow_http: true }).await;
        assert_eq!(error, FetchError::Answer(BadAnswer::RedirectElsewhere), "{location}");
        assert_eq!(site.visits(), 1);
    }
}

#[tokio::test]
async fn three_redirects_on_the_same_host_are_followed_and_no_fourth() {
    let counted = |limit: usize| {
        let turn = AtomicUsize::new(0);
        move |_: &str| match turn.fetch_add(1, Ordering::SeqCst) {
            turn if turn < limit => head(&format!("30{} Moved\r\nLocation: /{turn}", [1, 2, 7, 8][turn % 4])),
            _ => ok("there"),
        }
    };
    let (site, fetcher) = good_site(counted(3)).await;
    let fetched = fetcher.fetch(&site.url("/"), OPERATOR, XML).await.unwrap();
    assert_eq!((fetched.body.as_slice(), fetched.url.path()), (b"there".as_slice(), "/2"));
    let (site, fetcher) = good_site(counted(4)).await;
    assert_eq!(refused(&fetcher, &site.url("/"), OPERATOR).await, FetchError::Answer(BadAnswer::Redirects));
    assert_eq!(site.visits(), 4);
}

#[tokio::test]
async fn a31_a_huge_body_is_not_read() {
    let (site, fetcher) = good_site(|_| (b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\nx".to_vec(), true)).await;
    let too_large = FetchError::TooLarge { limit: 1024 * 1024 };
    assert_eq!(refused(&fetcher, &site.url("/"), OPERATOR).await, too_large, "told in advance");
    let (site, fetcher) = good_site(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..17 {
            answer.extend_from_slice(b"10000\r\n");
            answer.extend_from_slice(&[b'x'; 0x10000]);
            answer.extend_from_slice(b"\r\n");
        }
        (answer, true)
    })
    .await;
    assert_eq!(refused(&fetcher, &site.url("/"), OPERATOR).await, too_large, "chunk after chunk");
    let (site, fetcher) = good_site(|_| ok(&"x".repeat(1024 * 1024))).await;
    assert_eq!(fetcher.fetch(&site.url("/"), OPERATOR, XML).await.unwrap().body.len(), 1024 * 1024, "the limit itself");
}

#[tokio::test]
async fn a31_whoever_never_ends_is_left() {
    let stalls = [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    for stall in stalls {
        let (site, mut fetcher) = good_site(move |_| (stall.as_bytes().to_vec(), true)).await;
        fetcher.limits.total = Duration::from_millis(300);
        assert_eq!(refused(&fetcher, &site.url("/"), OPERATOR).await, FetchError::Timeout, "{stall:?}");
    }
}

#[tokio::test]
async fn what_is_cut_off_encoded_or_no_answer_is_not_the_document() {
    for (answer, fault) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", BadAnswer::NotHttp),
        ("SSH-2.0-OpenSSH_9.6\r\n", BadAnswer::NotHttp),
        ("", BadAnswer::NotHttp),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx", BadAnswer::Encoding),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecret", BadAnswer::Status(404)),
        ("HTTP/1.1 500 secret\r\nContent-Length: 0\r\n\r\n", BadAnswer::Status(500)),
        ("HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx", BadAnswer::Status(206)),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", BadAnswer::Status(304)),
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", BadAnswer::NotHttp),
    ] {
        let (site, fetcher) = good_site(move |_| (answer.as_bytes().to_vec(), false)).await;
        let error = refused(&fetcher, &site.url("/"), OPERATOR).await;
        assert_eq!(error, FetchError::Answer(fault), "{answer:?}");
        assert!(!error.to_string().contains("secret"));
    }
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    let (site, fetcher) = good_site(move |_| (long.clone().into_bytes(), true)).await;
    assert_eq!(refused(&fetcher, &site.url("/"), OPERATOR).await, FetchError::Answer(BadAnswer::NotHttp));
}

#[tokio::test]
async fn a31_wrong_tls_is_no_tls() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let cases = [
        ("unknown issuer", Some(theirs.acceptor(NAME))),
        ("another name", Some(ours.acceptor("other.acme.se"))),
        ("no TLS at all", None),
    ];
    for (what, tls) in cases {
        let site = site(Ipv4Addr::LOCALHOST, tls, |_| ok("secret")).await;
        let fetcher = fetcher(&ours, names(&[&["127.0.0.1"]]), &[]);
        let error = refused(&fetcher, &site.url("/"), OPERATOR).await;
        assert!(matches!(error, FetchError::Tls(_)), "{what}: {error:?}");
        assert_eq!(error.code(), Own::Fetch004);
        assert_eq!(site.visits(), 0, "{what}: not a byte of the request was sent");
    }
}

#[tokio::test]
async fn plain_http_is_fetched_from_this_machine_only_and_only_by_the_operator() {
    let site = site(Ipv4Addr::LOCALHOST, None, |_| ok("plain")).await;
    let url = format!("http://{NAME}:{}/", site.port);
    let by = |address: &str| fetcher(&Authority::new(), names(&[&[address]]), &["10.0.0.0/8"]);
    let allowing = Reach::Operator { allow_http: true };
    assert_eq!(by("127.0.0.1").fetch(&url, allowing, XML).await.unwrap().body, b"plain");
    for reach in [Reach::Public, OPERATOR] {
        let error = refused(&by("127.0.0.1"), &url, reach).await;
        assert_eq!(error, FetchError::Url("it is http and not https"));
    }
    for elsewhere in ["10.0.0.1", "9.9.9.9"] {
        assert_eq!(refused(&by(elsewhere), &url, allowing).await, FetchError::Forbidden);
    }
}

#[tokio::test]
async fn what_is_no_address_to_fetch_from_is_told_at_once() {
    let fetcher = fetcher(&Authority::new(), names(&[]), &[]);
    let long = format!("https://{NAME}/{}", "x".repeat(MAX_URL));
    for url in [
        "",
        "meta.xml",
        "file:///etc/passwd",
        "ftp://idp.acme.se/",
        "javascript:alert(1)",
        "data:text/xml,<a/>",
        "https://",
        "https://user@idp.acme.se/",
        "https://user:hunter2@idp.acme.se/",
        "unix:/run/x",
        &long,
    ] {
        let error = refused(&fetcher, url, Reach::Operator { allow_http: true }).await;
        assert_eq!(error.code(), Own::Fetch001, "{url}: {error:?}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_name_without_address_and_a_closed_port_are_told_apart() {
    let authority = Authority::new();
    let nowhere = fetcher(&authority, names(&[]), &[]);
    assert_eq!(refused(&nowhere, "https://idp.acme.se/", Reach::Public).await, FetchError::Name);
    let empty = fetcher(&authority, names(&[&[]]), &[]);
    assert_eq!(refused(&empty, "https://idp.acme.se/", Reach::Public).await, FetchError::Name);
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let fetcher = fetcher(&authority, names(&[&["127.0.0.1"]]), &[]);
    let error = refused(&fetcher, &format!("https://{NAME}:{port}/"), OPERATOR).await;
    assert_eq!((error.code(), error), (Own::Fetch003, FetchError::Unreachable));
}

#[tokio::test]
async fn a_dead_address_does_not_hide_a_live_one() {
    let authority = Authority::new();
    let site = site(Ipv4Addr::LOCALHOST, Some(authority.acceptor(NAME)), |_| ok("there")).await;
    let fetcher = fetcher(&authority, names(&[&["127.0.0.3", "127.0.0.1"]]), &[]);
    assert_eq!(fetcher.fetch(&site.url("/"), OPERATOR, XML).await.unwrap().body, b"there");
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine() {
    let found = SystemResolve.addresses("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
}
