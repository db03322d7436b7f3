//! Processes are killed that do what they are told under keys, two at a time the same; others are told the rest, beginning with what nobody knows to be
//! done.
use es_core::persistence::Store;
use es_core::{Aggregate, Application, ErrorKind, Root, UpdateError, events};
use uuid::Uuid;

use super::{Effort, Log, process};
use crate::block_on;

/// How many give commands, each one after the other.
const CLIENTS: usize = 4;

/// How many purses they all put coins into.
const PURSES: usize = 2;

#[derive(Aggregate)]
#[aggregate("Purse")]
struct Purse {
    root: Root<Self>,
    coins: u64,
}

#[events]
impl Purse {
    #[event("Opened", id = *id)]
    fn open(id: Uuid) -> Self {
        let _ = id;
        Self {
            root: Root::new(),
            coins: 0,
        }
    }

    #[event("Put")]
    fn put(&mut self) {
        self.coins += 1;
    }
}

fn purse(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 % PURSES as u128)
}

/// Puts one coin into the purse of a client, for the `number`th time.
async fn put(app: &Application, client: usize, number: u64) {
    let id = purse(client);
    let key = Uuid::from_u64_pair(client as u64 + 1, number);
    let put = move |purse: &mut Option<Purse>| {
        purse.get_or_insert_with(|| Purse::open(id)).put();
    };
    loop {
        match app.once(key).update(id, put).await {
            Ok(_) => return,
            Err(UpdateError::Failed(error)) if may_pass(error.kind()) => {}
            Err(error) => {
                eprintln!("{client} puts {number}: {error:?}");
                std::process::abort();
            }
        }
    }
}

/// Whether the same command is to be given again.
fn may_pass(kind: ErrorKind) -> bool {
    use ErrorKind::{Busy, Conflict, Unavailable, Unknown};
    matches!(kind, Conflict | Unknown | Unavailable | Busy)
}

/// The child: gives commands without end, for each client from a number on, and says which are acknowledged.
pub(super) fn give<L: Log>(told: &[&str]) {
    let app = application(L::at(told[0]).open());
    let numbers = told[1..].iter().map(|number| number.parse::<u64>());
    let clients: Vec<_> = numbers.map(|number| number.expect("a number")).collect();
    block_on(async {
        let mut tasks = Vec::new();
        for (client, first) in clients.into_iter().enumerate() {
            let app = app.clone();
            tasks.push(tokio::spawn(async move {
                for number in first.. {
                    put(&app, client, number).await;
                    process::say(&format!("acknowledged {client} {number} ."));
                }
            }));
        }
        for task in tasks {
            task.await.expect("a task does not panic");
        }
    });
}

fn application(store: impl Store) -> Application {
    Application::builder(store).name("purses").build()
}

pub(super) fn commands_that_are_given_again_are_done_once<L: Log>(effort: Effort) -> String {
    let kills = effort.of(6, 100);
    let place = L::fresh();
    let mut next = [0; CLIENTS];
    for _ in 0..kills {
        let mut told = vec!["give-again".to_owned(), place.address()];
        told.extend(next.iter().map(u64::to_string));
        let told: Vec<_> = told.iter().map(String::as_str).collect();
        let children = [(); 2].map(|()| process::start(process::command(&told)));
        let [(mut one, mut lines), (mut other, others)] = children;
        for _ in 0..fastrand::u8(1..60) {
            let line = lines.next().expect("it speaks").expect("it speaks");
            acknowledge(&mut next, &line).expect("a whole line");
        }
        for child in [&mut one, &mut other] {
            let ended = child.try_wait().expect("it can be asked");
            assert_eq!(ended, None, "a child ended by itself");
            process::signal(child.id(), "-KILL");
            child.wait().expect("it was killed");
        }
        for lines in [lines, others] {
            // The last may be cut off.
            let lines = lines.map_while(Result::ok);
            lines
                .map_while(|line| acknowledge(&mut next, &line))
                .count();
        }
        place.left_behind();
    }
    let app = application(place.open());
    let mut coins = 0;
    block_on(async {
        for (client, number) in next.into_iter().enumerate() {
            put(&app, client, number).await;
        }
        for number in 0..PURSES {
            let purse = app.get::<Purse>(purse(number)).await;
            coins += purse.expect("somebody put something into it").coins;
        }
    });
    let given: u64 = next.iter().map(|number| number + 1).sum();
    assert_eq!(coins, given, "each is done once");
    format!("kills {kills}, commands {given}, missing = 0, twice = 0")
}

/// Takes note of the number that a client goes on with.
fn acknowledge(next: &mut [u64; CLIENTS], line: &str) -> Option<()> {
    let rest = line.strip_prefix("acknowledged ")?.strip_suffix(" .")?;
    let (client, number) = rest.split_once(' ')?;
    let next = &mut next[client.parse::<usize>().ok()?];
    *next = (*next).max(number.parse::<u64>().ok()? + 1);
    Some(())
}
