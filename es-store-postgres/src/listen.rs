//! The connection that listens: who waits for a change is woken by what other handles and processes commit, sooner than by looking.
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use event_listener::Event;
use tokio_postgres::AsyncMessage;
use tracing::warn;

use crate::connection::{Dialer, LOOKED_AFTER};

/// The first pause before the next attempt to connect.
const SHORTEST: Duration = Duration::from_millis(20);

/// The longest pause before the next attempt to connect.
const LONGEST: Duration = Duration::from_secs(5);

/// Listens until it is aborted.
///
/// Whatever was missed while there was no connection is found by whoever looks again: everybody is woken when there is one.
pub(crate) async fn listen(dialer: Dialer, channel: String, own: String, changed: Arc<Event>) {
    let mut pause = SHORTEST;
    loop {
        let dialled = tokio::time::timeout(dialer.to_connect, dialer.dial());
        if let Ok(Ok((client, mut line))) = dialled.await {
            let statement = format!("LISTEN {channel}");
            let mut asking = pin!(async {
                // A server that knows nothing of it is as good.
                let _ = client.batch_execute(LOOKED_AFTER).await;
                client.batch_execute(&statement).await
            });
            let mut listening = false;
            loop {
                tokio::select! {
                    answer = &mut asking, if !listening => {
                        if answer.is_err() {
                            break;
                        }
                        listening = true;
                        pause = SHORTEST;
                        changed.notify(usize::MAX);
                    }
                    message = line.next() => match message {
                        // This handle's own commits have woken everybody already.
                        Some(Ok(AsyncMessage::Notification(note))) if note.payload() != own => {
                            changed.notify(usize::MAX);
                        }
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => break,
                    }
                }
            }
            if listening {
                warn!(target: "es_store_postgres::listen", "connection lost, connecting again");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
