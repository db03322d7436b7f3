//! What a store that keeps a file or a server is tried with, beside the laws: what goes wrong, what it makes of
//! events, and whose transactions it takes part in.
//!
//! Each trial is written once, over what it has to know of a store: [`faults::Log`] for what goes wrong, [`projections::Kennel`] for read models,
//! [`transactions::Shop`] for rows of the caller's own.
//! A store's own tests name themselves as one, and add what concerns them alone.
#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is how a trial says that something does not hold"
)]

use std::sync::LazyLock;

use tokio::runtime::Runtime;

pub mod faults;
pub mod log;
pub mod projections;
pub mod transactions;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started")
});

/// Runs a future to its end; what it spawns goes on after it.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// Makes a test of each of these trials.
#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($module:ident for $of:ty: $($trial:ident)*) => {
        $(
            #[test]
            fn $trial() {
                $crate::block_on($crate::$module::$trial::<$of>());
            }
        )*
    };
}
