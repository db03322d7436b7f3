//! A person says where a follower stands.
use super::engine::give_back;
use super::unknown::AT_MOST;
use super::{FollowError, FollowerHandle};
use crate::application::Result;
use crate::domain::Position;
use crate::persistence::{LeaseRequest, Placed, Placement, Span};

impl FollowerHandle {
    /// Puts the follower to a position, as if it had handled everything up to there and nothing beyond, and says where it stood; who decided so and
    /// why is [kept](Self::placed). For a process manager that is to begin today, or that stands at a log that was restored. Further on, it never
    /// handles what is passed over; further back, it handles again what is between, with all that it does outside. What it had parked up to there
    /// stays parked.
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
    /// [`FollowError::NotPlaced`] for a projection; [`FollowError::BeyondTheLog`]; [`FollowError::Running`] and [`FollowError::Held`] where it is run;
    /// [`FollowError::Store`] and [`FollowError::Unreachable`]. Nothing was changed.
    pub async fn place(
        &self,
        to: Position,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<Position> {
        let (by, reason) = (by.into(), reason.into());
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
        let request = LeaseRequest {
            follower: follower(),
            holder: self.holder.clone(),
            length: AT_MOST,
            epoch: None,
            stopped: None,
        };
        let store = &followed.store;
        let refused = |error| FollowError::of_lease(&followed.id, error);
        let lease = store.lease(request).await.map_err(refused)?;
        let standing = store.standing(&followed.id).await;
        let from = standing
            .map_err(|source| self.unread(followed, source))?
            .position;
        let placement = Placement {
            follower: follower(),
            epoch: lease.epoch,
            to,
            stands_at,
            by,
            reason,
        };
        store.place(placement).await.map_err(refused)?;
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
