//! Answers requests until the program is told to stop, and then ends in good order, but not at any price.
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use es_core::BoxError;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long requests that have begun may take after that: a client that never sends the rest of one would hold the server for ever.
pub const GRACE: Duration = Duration::from_secs(10);

/// Serves until it is told to stop, and answers the requests that have begun, for no longer than `grace`. Told a second time it ends at once.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    told: &mut mpsc::Receiver<()>,
    grace: Duration,
) -> Result<(), BoxError> {
    let (close, closed) = oneshot::channel::<()>();
    let served = axum::serve(listener, routes).with_graceful_shutdown(async { drop(closed.await) });
    let mut served = pin!(served.into_future());
    tokio::select! {
        ended = &mut served => return Ok(ended?),
        _ = told.recv() => drop(close),
    }
    tokio::select! {
        ended = served => ended?,
        () = tokio::time::sleep(grace) => eprintln!("requests that are not complete after {grace:?} are broken off"),
        _ = told.recv() => return Err(TOLD_TWICE.into()),
    }
    Ok(())
}

pub const TOLD_TWICE: &str = "told a second time to stop; what was under way is broken off";

/// Says each time that the program is told to stop: by Ctrl-C, or by the signal of a service manager. From here on neither ends it by itself.
pub fn told_to_stop() -> io::Result<mpsc::Receiver<()>> {
    let mut signals = Signals::install()?;
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            signals.next().await;
            if tell.send(()).await.is_err() {
                break;
            }
        }
    });
    Ok(told)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
