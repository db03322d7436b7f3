//! Who follows whom: for the management binary, for a server, and for tests.
use es_core::{ProcessManager, System};
use es_store::{OpenError, Stores};

use crate::certificate::{Certificate, Certificates};
use crate::school::Dog;

pub async fn system(stores: Stores) -> Result<System, OpenError> {
    let school = stores.settings("school").open().await?;
    let office = stores.settings("office").open().await?;
    Ok(System::new("school")
        .application(&school, |types| types.aggregate::<Dog>())
        .application(&office, |types| types.aggregate::<Certificate>())
        .follow(&school, Certificates.onto(&office)))
}
