//! The running school, asked over HTTP.
use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use es_core::application::{Section, SectionId};
use es_core::persistence::Recorded;
use es_core::{Aggregate, BoxError};
use es_store::Stores;
use es_store_postgres::testing::{Disk, Server, TestLog};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_postgres::NoTls;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::api;
use crate::arguments::Arguments;
use crate::desk::{self, Desk};
use crate::school::{Dog, DogEvent};
use crate::serve::{GRACE, TOLD_TWICE, serve, told_to_stop};

/// A school on a port, and with its office in schemas of its own.
struct Running {
    address: String,
    desk: Desk,
    tell: mpsc::Sender<()>,
    served: JoinHandle<Result<(), BoxError>>,
    office: es_core::system::Running,
    /// Dropped last.
    logs: [TestLog; 2],
}

impl Running {
    async fn start() -> Self {
        Self::with_grace(GRACE).await
    }

    async fn with_grace(grace: Duration) -> Self {
        let logs = [TestLog::new().await.unwrap(), TestLog::new().await.unwrap()];
        Self::first_on(logs, grace).await
    }

    async fn first_on(logs: [TestLog; 2], grace: Duration) -> Self {
        let (stores, pool) = (stores_of(&logs), pool_of(&logs[0]));
        desk::migrate(stores.clone(), &pool).await.unwrap();
        // A second time there is nothing to do.
        desk::migrate(stores, &pool).await.unwrap();
        Self::on(logs, grace).await
    }

    async fn on(logs: [TestLog; 2], grace: Duration) -> Self {
        let (desk, system) = Desk::open(stores_of(&logs), pool_of(&logs[0]))
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, mut told) = mpsc::channel(2);
        let routes = api::routes(desk.clone());
        let served = async move { serve(listener, routes, &mut told, grace).await };
        Self {
            address: address.to_string(),
            desk,
            tell,
            served: tokio::spawn(served),
            office: system.start(),
            logs,
        }
    }

    async fn restart(self) -> Self {
        self.tell.send(()).await.unwrap();
        self.served.await.unwrap().unwrap();
        self.office.stop().await.unwrap();
        drop(self.desk);
        Self::on(self.logs, GRACE).await
    }

    /// How it ends, which it does soon.
    async fn ended(self) -> Result<(), BoxError> {
        let ended = timeout(Duration::from_secs(30), self.served).await;
        ended.expect("it ends").unwrap()
    }

    fn client(&self) -> Client {
        Client {
            agent: Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(30)))
                .build()
                .into(),
            address: format!("http://{}", self.address),
        }
    }

    /// Asks on a thread of its own, as somebody elsewhere would.
    async fn ask(&self, ask: impl FnOnce(Client) -> Answer + Send + 'static) -> Answer {
        let client = self.client();
        tokio::task::spawn_blocking(|| ask(client)).await.unwrap()
    }

    async fn post(&self, path: &'static str, body: Value) -> Answer {
        self.ask(move |client| client.post(path, &[], body)).await
    }

    async fn get(&self, path: &'static str) -> Answer {
        self.ask(move |client| client.get(path)).await
    }

    async fn invoices(&self) -> i64 {
        let client = self.desk.pool.get().await.unwrap();
        let row = client.query_one("SELECT count(*) FROM invoices", &[]).await;
        row.unwrap().get(0)
    }
}

fn stores_of([school, office]: &[TestLog; 2]) -> Stores {
    Stores::new()
        .store_of("school", school.store_url())
        .store_of("office", office.store_url())
}

fn pool_of(log: &TestLog) -> Pool {
    let mut config: tokio_postgres::Config = log.url().parse().unwrap();
    config.options(format!("-c search_path={}", log.schema()));
    Pool::builder(Manager::new(config, NoTls)).build().unwrap()
}

struct Client {
    agent: Agent,
    address: String,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    location: Option<String>,
    kind: Option<String>,
    text: String,
    body: Value,
}

impl Answer {
    fn of(mut answer: Response<Body>) -> Self {
        let text = answer.body_mut().read_to_string().unwrap();
        let header = |name| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Self {
            status: answer.status(),
            location: header("location"),
            kind: header("content-type"),
            body: match text.as_str() {
                "" => Value::Null,
                text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            },
            text,
        }
    }
}

impl Answer {
    fn is_a_problem(&self) {
        assert_eq!(self.kind.as_deref(), Some("application/problem+json"));
        assert_eq!(self.body["status"], self.status.as_u16());
        assert!(self.body["detail"].is_string(), "{self:?}");
    }
}

impl Client {
    fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send_json(body).unwrap())
    }

    fn get(&self, path: &str) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.address));
        Answer::of(request.call().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dog_is_registered_learns_and_is_looked_at() {
    let school = Running::start().await;
    let registered = school.post("/dogs", json!({ "name": "Fido" })).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    assert_eq!(registered.location.as_deref(), Some("/dogs/Fido"));
    for trick in ["roll over", "play dead"] {
        let learned = school
            .post("/dogs/Fido/tricks", json!({ "trick": trick }))
            .await;
        assert_eq!(learned.status, StatusCode::NO_CONTENT);
    }
    let tricks = school.get("/dogs/Fido/tricks").await.body;
    assert_eq!(tricks, json!(["roll over", "play dead"]));
    let fido = json!({ "name": "Fido", "version": 3, "tricks": ["roll over", "play dead"] });
    assert_eq!(school.get("/dogs/Fido").await.body, fido);
    let younger = json!({ "name": "Fido", "version": 2, "tricks": ["roll over"] });
    assert_eq!(school.get("/dogs/Fido?version=2").await.body, younger);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_status_that_it_means() {
    let school = Running::start().await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    let trick = || json!({ "trick": "sit" });
    let cases = [
        ("/dogs", json!({ "name": "Fido" }), StatusCode::CONFLICT),
        (
            "/dogs",
            json!({ "name": "  " }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/dogs",
            json!({ "nmae": "Rex" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("/dogs/Rex/tricks", trick(), StatusCode::NOT_FOUND),
        (
            "/dogs/Fido/tricks",
            json!({ "trick": "" }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/dogs/Rex/lessons",
            json!({ "trick": "sit", "cents": 1 }),
            StatusCode::NOT_FOUND,
        ),
        (
            "/dogs/Fido/lessons",
            json!({ "trick": "sit", "cents": -1 }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/dogs/Fido/lessons",
            json!({ "trick": "A\0B", "cents": 1 }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/dogs",
            json!({ "name": "é".repeat(101) }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("/dogs/%ff/tricks", trick(), StatusCode::BAD_REQUEST),
        ("/dogs/Fido", trick(), StatusCode::METHOD_NOT_ALLOWED),
        ("/cats", trick(), StatusCode::NOT_FOUND),
    ];
    for (path, body, status) in cases {
        let answer = school.post(path, body.clone()).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        answer.is_a_problem();
    }
    let longest = school
        .post("/dogs", json!({ "name": "é".repeat(100) }))
        .await;
    assert_eq!(longest.status, StatusCode::CREATED);
    for path in ["/dogs/%ff", "/dogs/%ff/tricks", "/dogs/Fido?version=x"] {
        let answer = school.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        answer.is_a_problem();
    }
    for path in ["/dogs/Rex", "/dogs/Fido?version=2", "/dogs/Fido?version=0"] {
        assert_eq!(
            school.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_and_why_is_kept_with_every_event() {
    let school = Running::start().await;
    let correlation = "018f7a3e-0000-7000-8000-000000000001";
    school
        .ask(move |client| {
            let who = [("x-actor", "ann"), ("x-correlation-id", correlation)];
            client.post("/dogs", &who, json!({ "name": "Fido" }))
        })
        .await;
    let told = school.get("/dogs/Fido/history").await.body;
    assert_eq!(told[0]["actor"], "ann");
    assert_eq!(told[0]["correlation"], correlation);
    assert_eq!(told[0]["event"], r#"Registered { name: "Fido" }"#);
    let refused = school
        .ask(|client| {
            let who = [("x-correlation-id", "seven")];
            client.post("/dogs", &who, json!({ "name": "Rex" }))
        })
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_under_its_key_is_done_once() {
    let school = Running::start().await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    let sent = |client: &Client, key: &str, trick: &str| {
        let key = [("idempotency-key", key)];
        client.post("/dogs/Fido/tricks", &key, json!({ "trick": trick }))
    };
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let client = school.client();
        requests.spawn_blocking(move || sent(&client, "7c1f", "sit"));
    }
    for answer in requests.join_all().await {
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }
    let school = school.restart().await;
    for (key, trick) in [("7c1f", "sit"), ("7c1f", "bow"), ("8d20", "sit")] {
        let answer = school.ask(move |client| sent(&client, key, trick)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }
    assert_eq!(
        school.get("/dogs/Fido").await.body["tricks"],
        json!(["sit", "bow", "sit"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_is_learned_and_invoiced_or_neither() {
    let school = Running::start().await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    let lesson = || json!({ "trick": "sit", "cents": 1_500 });
    let given = school.post("/dogs/Fido/lessons", lesson()).await;
    assert_eq!(given.status, StatusCode::NO_CONTENT);
    assert_eq!(school.invoices().await, 1);
    assert_eq!(
        school.get("/dogs/Fido").await.body["tricks"],
        json!(["sit"])
    );

    // Eight at once: each is done as a whole, or refused as a conflict.
    let mut lessons = JoinSet::new();
    for _ in 0..8 {
        let client = school.client();
        lessons.spawn_blocking(move || client.post("/dogs/Fido/lessons", &[], lesson()));
    }
    let answers = lessons.join_all().await;
    let given = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::NO_CONTENT)
        .count();
    assert!(given >= 1, "{answers:?}");
    assert!(
        answers.iter().all(|answer| {
            [StatusCode::NO_CONTENT, StatusCode::CONFLICT].contains(&answer.status)
        })
    );
    let fido = school
        .desk
        .school
        .get::<Dog>(Dog::id_for("Fido"))
        .await
        .unwrap();
    assert_eq!(fido.version().get(), 2 + given as u64);
    assert_eq!(school.invoices().await, 1 + given as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elsewhere_reads_all_that_happened() {
    let school = Running::start().await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    for trick in ["sit", "roll over"] {
        let trick = json!({ "trick": trick });
        school.post("/dogs/Fido/tricks", trick).await;
    }
    let mut read = Vec::new();
    let mut next = Some("1,2".parse::<SectionId>().unwrap());
    while let Some(id) = next {
        let answer = school
            .ask(move |client| client.get(&format!("/log/{id}")))
            .await;
        let section: Section = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(section.id, id);
        let events = section.records.iter().map(Recorded::<DogEvent>::of);
        read.extend(events.map(|event| event.unwrap().event));
        next = section.next;
    }
    let added = |trick: &str| DogEvent::TrickAdded {
        trick: trick.to_owned(),
    };
    assert_eq!(read.len(), 3);
    assert_eq!(read[1..], [added("sit"), added("roll over")]);
    let none = school.get("/log/2,1").await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_school_that_closes_answers_what_it_was_asked() {
    let school = Running::start().await;
    let answer = school.post("/dogs", json!({ "name": "Fido" }));
    let (answer, ()) = tokio::join!(answer, async {
        // Once the event is there, the request is under way at least.
        while school
            .desk
            .school
            .find::<Dog>(Dog::id_for("Fido"))
            .await
            .unwrap()
            .is_none()
        {
            tokio::task::yield_now().await;
        }
        school.tell.send(()).await.unwrap();
    });
    assert_eq!(answer.status, StatusCode::CREATED);
    school.ended().await.unwrap();
}

/// Somebody who has sent the half of a request, as the server has said, and waits.
async fn half_a_request(school: &Running) -> TcpStream {
    let head = "POST /dogs HTTP/1.1\r\nhost: school\r\ncontent-type: application/json\r\ncontent-length: 15\r\nexpect: 100-continue\r\n\r\n";
    let mut client = TcpStream::connect(&school.address).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 1_000];
    let read = client.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 100"));
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_holds_a_school_that_closes_no_longer_than_the_grace() {
    let school = Running::with_grace(Duration::from_millis(200)).await;
    let _client = half_a_request(&school).await;
    school.tell.send(()).await.unwrap();
    school.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_school_that_is_told_twice_to_close_does_so_at_once() {
    let school = Running::with_grace(Duration::MAX).await;
    let _client = half_a_request(&school).await;
    school.tell.send(()).await.unwrap();
    school.tell.send(()).await.unwrap();
    let ended = school.ended().await.unwrap_err();
    assert_eq!(ended.to_string(), TOLD_TWICE);
}

#[cfg(unix)]
#[tokio::test]
async fn every_signal_that_ends_a_program_tells_it_to_stop() {
    let mut told = told_to_stop().unwrap();
    for signal in ["-TERM", "-INT", "-INT"] {
        let process = std::process::id().to_string();
        let kill = std::process::Command::new("kill")
            .args([signal, &process])
            .status();
        assert!(kill.unwrap().success());
        told.recv().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_that_is_asked_after_a_restart_may_be_a_lesson() {
    let school = Running::start().await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    let school = school.restart().await;
    let lesson = json!({ "trick": "sit", "cents": 1_500 });
    let given = school.post("/dogs/Fido/lessons", lesson).await;
    assert_eq!(given.status, StatusCode::NO_CONTENT, "{given:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dogs_learn_is_on_their_certificates_when_somebody_asks() {
    let school = Running::start().await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    let none = school.get("/dogs/Fido/certificate").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    for count in 1..=3 {
        let trick = json!({ "trick": format!("trick {count}") });
        school.post("/dogs/Fido/tricks", trick).await;
        let counted = school.get("/dogs/Fido/certificate").await;
        assert_eq!(counted.body, json!({ "tricks": count }));
    }
    school.office.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_database_is_down_every_path_answers_that_it_may_be_tried_again() {
    let server = Server::start(Disk::NotWaitedFor).unwrap();
    let log = async || TestLog::on(server.url()).await.unwrap();
    let school = Running::first_on([log().await, log().await], GRACE).await;
    school.post("/dogs", json!({ "name": "Fido" })).await;
    drop(server);
    for path in ["", "/tricks", "/history", "/certificate"] {
        let path = format!("/dogs/Fido{path}");
        let answer = school.ask(move |client| client.get(&path)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        answer.is_a_problem();
    }
    for (path, body) in [
        ("/dogs", json!({ "name": "Rex" })),
        ("/dogs/Fido/tricks", json!({ "trick": "sit" })),
        ("/dogs/Fido/lessons", json!({ "trick": "sit", "cents": 1 })),
    ] {
        let answer = school.post(path, body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        answer.is_a_problem();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_migrated_is_refused_when_the_school_opens() {
    let log = TestLog::new().await.unwrap();
    let stores = desk::stores(log.url());
    let Err(error) = Desk::open(stores, pool_of(&log)).await else {
        panic!("there are no tables");
    };
    assert_eq!(
        es_store::Reason::of(&*error),
        Some(es_store::Reason::Unmigrated)
    );
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(text.contains("migrate"), "{text}");
    assert!(desk::pool("no URL").is_err());
}

#[test]
fn arguments_are_understood_or_answered_with_the_usage() {
    let parse = |line: &str| Arguments::parse(line.split_whitespace().map(str::to_owned));
    let parsed = parse("--store postgres://db/school --listen 0.0.0.0:80 --migrate").unwrap();
    assert_eq!(parsed.store, "postgres://db/school");
    assert_eq!(parsed.listen, "0.0.0.0:80");
    assert!(parsed.migrate);
    for wrong in ["", "--store", "--stroe postgres://db", "--migrate"] {
        let Err(usage) = parse(wrong) else {
            panic!("`{wrong}` makes no sense");
        };
        assert!(usage.contains("usage: web --store"), "{usage}");
    }
}
