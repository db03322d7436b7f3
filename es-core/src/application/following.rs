//! What who follows an application needs of it.
use std::sync::Arc;

use super::{Application, OpenError};
use crate::persistence::{Clock, Codecs, DecodeError, Record, Store};

impl Application {
    /// The name under which followers keep their checkpoints: that of the application; empty where it has none.
    pub(crate) fn log_name(&self) -> String {
        self.name().unwrap_or_default().to_owned()
    }

    pub(crate) fn keeps_in(&self) -> Arc<dyn Store> {
        self.repository.shared_store()
    }

    pub(crate) fn goes_by(&self) -> Arc<dyn Clock> {
        self.repository.clock()
    }

    /// Whether the log is this application's.
    pub(crate) async fn check_owner(&self) -> Result<(), OpenError> {
        self.repository.store().await.map(|_| ())
    }

    /// Makes the payload of a record JSON again.
    pub(crate) async fn open_record(&self, record: &mut Record) -> Result<(), DecodeError> {
        self.repository.open(record).await
    }

    /// What opens its payloads, without the store.
    pub(crate) fn codecs(&self) -> Codecs {
        self.repository.codecs().clone()
    }
}
