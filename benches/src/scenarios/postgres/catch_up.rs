//! Reading the whole log from its beginning, with a checkpoint that is on the disk after each page.
//!
//! The next page is asked for before the one at hand is worked on, by hand and by the follower that is ours. What remains is the columns: a record
//! has ten of them, and by hand it takes three to make an event.
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::{BoxError, Follower, Recorded, System};
use es_store_postgres::PostgresProjection;
use tokio::runtime::Runtime;
use tokio_postgres::Transaction;

use super::{Bench, DURABLE, register_by_hand, registered};
use crate::by_hand::postgres::{Page, Pen, Place, Reading};
use crate::dog::{self, Dog, DogEvent};
use crate::harness::{Race, Turn};
use crate::scenarios::learned::{Learned, Reader};
use crate::scenarios::named::Named;

const PAGE: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// How many dogs are saved at once.
const LITTER: usize = 10;

pub(super) fn run(bench: &Bench<'_>) {
    let dogs = bench.some(2_000);
    let each = bench.effort.short;
    let events = dogs * each;
    let name = format!("catch up on {events} events in Postgres, a checkpoint per {PAGE}");
    if !bench.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.workers);
    let (app, store) = bench.application(&runtime, "ours_catch_up");
    let place = bench.place("catch_up");
    let mut ours = registered(1, dogs, Dog::register).remove(0);
    let mut theirs = registered(1, dogs, register_by_hand).remove(0);
    for (ours, theirs) in ours.iter_mut().zip(&mut theirs) {
        for trick in dog::tricks(each - 1) {
            ours.add_trick(trick.as_str());
            theirs.add_trick(trick);
        }
    }
    runtime.block_on(async {
        let client = place.connect().await.expect("the server answers");
        let pen = Pen::new(client).await.expect("the tables are there");
        for (ours, theirs) in ours.chunks_mut(LITTER).zip(theirs.chunks_mut(LITTER)) {
            app.save(ours).await.expect("nobody else writes");
            pen.save_all(theirs).await.expect("nobody else writes");
        }
    });

    let mut round = 0;
    let same = Rc::clone(&runtime);
    Race::new(name, "event", events, DURABLE)
        .contestant("ours", move || {
            round += 1;
            let name = format!("reader {round}");
            let reader = Reader::default();
            let follower = store.project(reader.clone()).batches_of(PAGE);
            let follower = Named {
                name: name.clone(),
                follower,
            };
            let system = System::new("benches").follow(&app, follower);
            let start = Instant::now();
            let following = same.spawn(async move {
                let follower = system.follower(&name);
                follower.catch_up(Duration::ZERO, &mut |_, _| {}).await
            });
            let followed = same.block_on(following).expect("it does not panic");
            followed.expect("nothing goes wrong");
            Turn {
                taken: start.elapsed(),
                seen: reader.learned(),
            }
        })
        .contestant(
            "by hand, name and payload",
            by_hand(&runtime, &place, "lean", false),
        )
        .at_least(0.7)
        .contestant(
            "by hand, all columns",
            by_hand(&runtime, &place, "whole", true),
        )
        .run(bench.effort);
}

/// Reads on one connection, and moves the checkpoint of a follower of its own on another one after each page.
fn by_hand(
    runtime: &Rc<Runtime>,
    place: &Place,
    follower: &'static str,
    whole: bool,
) -> impl FnMut() -> Turn<Learned> + use<> {
    let mut round = 0;
    let runtime = Rc::clone(runtime);
    let (pen, reading) = runtime.block_on(async {
        let client = place.connect().await.expect("the server answers");
        let pen = Pen::new(client).await.expect("the tables are there");
        let client = place.connect().await.expect("the server answers");
        let reading = Reading::new(client).await;
        (pen, reading.expect("the tables are there"))
    });
    let both = Arc::new((pen, reading));
    move || {
        round += 1;
        let follower = format!("{follower} {round}");
        let both = Arc::clone(&both);
        let start = Instant::now();
        let following = runtime.spawn(async move {
            let (pen, reading) = &*both;
            let mut learned = Learned::default();
            let read = async |after| {
                let page = if whole {
                    reading.whole_page(after, PAGE.get()).await
                } else {
                    reading.page(after, PAGE.get()).await
                };
                page.expect("it can be read")
            };
            let mut page: Page = read(0).await;
            while let Some(newest) = page.last() {
                let work = async {
                    page.each(|event| learned.by_hand(event));
                    pen.checkpoint(&follower, newest)
                        .await
                        .expect("nobody else writes");
                };
                let (next, ()) = tokio::join!(biased; read(newest), work);
                page = next;
            }
            learned
        });
        let learned = runtime.block_on(following).expect("it does not panic");
        Turn {
            taken: start.elapsed(),
            seen: learned,
        }
    }
}

impl PostgresProjection for Reader {
    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        _: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        self.learn(event.event);
        Ok(())
    }
}
