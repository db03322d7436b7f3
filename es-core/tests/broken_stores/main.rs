//! The laws can fail: each is broken by a store that is wrong in one way, and catches it.
//!
//! `cargo test -p es-core --all-features --test broken_stores -- --nocapture` prints which.
#![cfg(feature = "testing")]

mod changes;
mod commits;
mod faults;
mod followers;
mod harness;
mod reads;
mod snapshots;
mod store;

use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use es_core::testing::Intercepted;
use es_core::testing::laws::{self, Law};

use crate::faults::{CAUGHT, Fault};
use crate::harness::{Broken, with_fault};

/// The laws that a store breaks.
fn broken_laws(fault: Fault) -> Vec<&'static str> {
    let broken = laws::all::<Broken>()
        .into_iter()
        .filter(|law| panic::catch_unwind(|| with_fault(fault, law.run)).is_err());
    broken.map(|law| law.name).collect()
}

/// Tries faults on many threads at once, since most of the time the laws wait.
fn tried(faults: &[Fault]) -> Vec<Vec<&'static str>> {
    const THREADS: usize = 12;
    let next = AtomicUsize::new(0);
    let broken: Vec<_> = faults.iter().map(|_| OnceLock::new()).collect();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(fault) = faults.get(place) else {
                        return;
                    };
                    broken[place].get_or_init(|| broken_laws(*fault));
                }
            });
        }
    });
    let broken = broken.into_iter().map(OnceLock::into_inner);
    broken.map(|laws| laws.expect("it was tried")).collect()
}

/// Whether a law catches a fault when it is tried alone, a few times: some need a store that answers in time, which a machine with much else to do
/// may not let it.
fn catches(law: &str, fault: Fault) -> bool {
    let mut laws = laws::all::<Broken>().into_iter();
    let law = laws.find(|other| other.name == law);
    law.is_some_and(|law| {
        (0..5).any(|_| panic::catch_unwind(|| with_fault(fault, law.run)).is_err())
    })
}

#[test]
fn every_law_is_broken_by_a_store_and_catches_it() {
    let faults: Vec<_> = [Fault::Nothing]
        .into_iter()
        .chain(CAUGHT.iter().map(|(fault, _)| *fault))
        .collect();
    panic::set_hook(Box::new(|_| {}));
    let caught = tried(&faults);
    let _ = panic::take_hook();

    let (sound, caught) = caught.split_first().expect("the sound store was tried");
    for ((fault, _), caught) in CAUGHT.iter().zip(caught) {
        println!("{fault:?} — {}", caught.join(", "));
    }
    for law in [
        "random_histories_agree_with_the_model",
        "concurrent_histories_can_be_explained",
    ] {
        let alone = caught.iter().filter(|caught| caught.contains(&law));
        let (alone, all) = (alone.count(), CAUGHT.len());
        println!("{law} alone: {alone} of {all} faults");
    }
    assert_eq!(sound, &[""; 0], "a store without a fault breaks no law");
    for ((fault, laws), caught) in CAUGHT.iter().zip(caught) {
        for law in *laws {
            assert!(
                caught.contains(law) || catches(law, *fault),
                "`{law}` does not catch {fault:?}, only {caught:?}"
            );
        }
    }
    for Law { name, .. } in laws::all::<Broken>() {
        assert!(
            CAUGHT.iter().any(|(_, by)| by.contains(&name)),
            "no store breaks `{name}`"
        );
    }
}

#[test]
fn a_failing_history_is_printed_with_its_seed_and_few_steps() {
    let mut laws = laws::all::<Broken>().into_iter();
    let law = laws.find(|law| law.name == "random_histories_agree_with_the_model");
    let law = law.expect("it is in the suite");
    let failed = panic::catch_unwind(|| with_fault(Fault::KeepsTheFirstSnapshot, law.run));
    let report = failed.expect_err("the fault is caught");
    let report = report.downcast_ref::<String>().expect("a report");
    println!("{report}");
    assert!(report.starts_with("the history of seed "), "{report}");
    // Two snapshots at one version, and reading it.
    assert!(report.contains("  3. ReadSnapshot"), "{report}");
    assert!(!report.contains("  4. "), "{report}");
}

#[test]
fn a_record_that_is_not_as_written_is_told_by_its_part() {
    let mut laws = laws::all::<Broken>().into_iter();
    let law = laws.find(|law| law.name == "records_come_back_exactly_as_written");
    let law = law.expect("it is in the suite");
    let failed = panic::catch_unwind(|| with_fault(Fault::CutsAt64KiB, law.run));
    let report = failed.expect_err("the fault is caught");
    let report = report.downcast_ref::<String>().expect("a report");
    assert_eq!(
        report,
        "the payload of record 3 is another after 65536 bytes: it has 65536, of 70011 that were written"
    );
}

/// What the laws see: a store between them and a memory store.
type BrokenStore = Intercepted<store::Broken>;
