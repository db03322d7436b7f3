//! Signals that ask the program to end.

/// Ends when the program is asked to.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    let terminated = async {
        let signal = tokio::signal::unix::SignalKind::terminate();
        match tokio::signal::unix::signal(signal) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    let stopped = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = stopped => {}
        () = terminated => {}
    }
}
