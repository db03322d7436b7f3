//! A person says where a follower stands.
use std::time::Duration;

use super::engine::give_back;
use super::error::said;
use super::{FollowError, FollowerHandle};
use crate::application::Result;
use crate::domain::Position;
use crate::persistence::{Epoch, LeaseRequest, Placed, Placement, Span, Store};

impl FollowerHandle {
    /// Puts the follower to a position, as if it had handled everything up to there and nothing beyond, and says where it stood; who decided so and
    /// why is [kept](Self::placed). For a process manager that is to begin today, or that stands at a log that was restored. Further on, it never
    /// handles what is passed over; further back, it handles again what is between, with all that it does outside. What it had parked up to there
    /// stays parked. At the start it does everything again, what it had parked is on record as given up on, and a process that runs it elsewhere stops.
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, BoxError, ProcessManager, Recorded, Root, System, UnitOfWork, events};
    /// # use es_store_memory::MemoryStore;
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Dog")]
    /// # struct Dog { root: Root<Self> }
    /// # #[events]
    /// # impl Dog {
    /// #     #[event("Registered")]
    /// #     fn register() -> Self { Self { root: Root::new() } }
    /// # }
    /// # struct Welcome;
    /// # impl ProcessManager for Welcome {
    /// #     const NAME: &'static str = "welcome";
    /// #     type Events = DogEvent;
    /// #     async fn react(&mut self, _: Recorded<DogEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> { panic!("it is not to begin yet") }
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> es_core::Result<()> {
    /// # let school = Application::builder(MemoryStore::new()).name("school").build();
    /// # school.save(&mut Dog::register()).await?;
    /// let system = System::new("school").follow(&school, Welcome.onto(&school));
    /// let today = school.log().head().await?;
    /// let welcome = system.follower("welcome");
    /// welcome.place(today, "ann", "those of before were welcomed by hand").await?;
    /// system.settle().await?; // handles nothing
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`FollowError::NotPlaced`] for a projection; [`FollowError::BeyondTheLog`]; [`FollowError::Unsaid`]; [`FollowError::Running`] and [`FollowError::Held`] where it is run;
    /// [`FollowError::Store`]; nothing was changed. [`FollowError::Unreachable`]: [`placed`](Self::placed) tells whether it was.
    pub async fn place(
        &self,
        to: Position,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<Position> {
        let (by, reason) = (by.into(), reason.into());
        said(&by, &reason)?;
        let followed = self.followed()?;
        let follower = || followed.id.clone();
        if followed.revision != 0 {
            return Err(FollowError::NotPlaced {
                follower: follower(),
            }
            .into());
        }
        // Nobody drives it as long as this is held.
        let driven = followed.take();
        let _driven = driven.ok_or_else(|| FollowError::Running {
            follower: follower(),
        })?;
        if let Some(left) = followed.take_left() {
            let _ = give_back(followed, &self.holder, &left.follower, left.epoch).await;
        }
        let log = followed.app.log();
        let head = log.head().await?;
        if to > head {
            let position = to;
            return Err(FollowError::BeyondTheLog {
                follower: follower(),
                position,
                head,
            }
            .into());
        }
        let stands_at = match to.get().checked_sub(1).map(Position::from) {
            Some(before) => {
                let page = log.page(Span::after(before).up_to(to)).await?;
                page.records.first().map(|record| record.commit)
            }
            None => None,
        };
        let placement = Placement {
            follower: follower(),
            epoch: Epoch::NONE,
            to,
            stands_at,
            by,
            reason,
        };
        let from = put(&*followed.store, &self.holder, placement).await?;
        followed.know(to);
        followed.resume();
        Ok(from)
    }

    /// Where persons put it, by whom and why, the oldest first.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn placed(&self) -> Result<Vec<Placed>> {
        let followed = self.followed()?;
        let placed = followed.store.placed(&followed.id).await;
        Ok(placed.map_err(|source| self.unread(followed, source))?)
    }
}

/// For how long a follower is kept from others, where this process ends midway.
const AT_MOST: Duration = Duration::from_secs(60);

/// Puts a follower somewhere under a lease that is taken for it, and says where it stood.
pub(super) async fn put(
    store: &dyn Store,
    holder: &str,
    placement: Placement,
) -> Result<Position, FollowError> {
    let follower = placement.follower.clone();
    let request = |length, epoch| LeaseRequest {
        follower: follower.clone(),
        holder: holder.to_owned(),
        length,
        epoch,
        stopped: None,
    };
    let refused = |error| FollowError::of_lease(&follower, error);
    let lease = store.lease(request(AT_MOST, None)).await.map_err(refused)?;
    let putting = async {
        let standing = store.standing(&follower).await;
        let standing = standing.map_err(|source| FollowError::Store {
            follower: follower.clone(),
            source,
        })?;
        let epoch = lease.epoch;
        let placed = store.place(Placement { epoch, ..placement }).await;
        placed.map_err(refused)?;
        Ok(standing.position)
    };
    let put = putting.await;
    if put.is_err() {
        let given_back = request(Duration::ZERO, Some(lease.epoch));
        // Where that fails it ends by itself.
        let _ = store.lease(given_back).await;
    }
    put
}
