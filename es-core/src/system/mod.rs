//! Boundaries that react to each other: followers of applications, and what drives them.
//!
//! A follower reads the log of an application from its checkpoint, and stores what it makes together with that checkpoint: each event has its
//! effect once, whatever is stopped, killed or started twice. A [projection](Projection) makes a read model; a
//! [process manager](ProcessManager) answers events by events. A [`System`] says who follows whom; it is driven [step by step](System::step), or
//! [by itself](System::start).

mod ahead;
mod catch_up;
mod dry_run;
mod engine;
mod error;
mod failure;
mod followed;
mod follower;
mod handle;
mod inline;
mod place;
mod process_manager;
mod projection;
mod rebuild;
mod runner;
mod settled;
mod state;
mod steps;
mod traced;
mod types;
mod unknown;
mod watch;

use std::fmt;
use std::sync::Arc;

pub use dry_run::{DryRun, Rehearsed};
pub use error::FollowError;
pub use failure::OnFailure;
pub use follower::{Batch, Configured, Follower, HandleError, HandlerPanicked, Output, Settings};
pub use handle::FollowerHandle;
pub use inline::{AnotherRevision, InlineError, Inlined, NotAtOnce};
pub use process_manager::{ProcessManager, Reactions};
pub use projection::Projection;
pub use rebuild::Until;
pub use runner::Running;
#[cfg(feature = "testing")]
pub(crate) use state::told;
pub use state::{State, Status, StopReason};
pub use steps::Stepped;
pub use types::Types;
pub use unknown::UnknownFollower;

use crate::application::{AggregateType, Application};
use followed::Followed;
use watch::Watch;

/// Which followers follow which applications.
///
/// Cheap to clone; the clones are one system.
#[derive(Clone)]
pub struct System {
    name: String,
    /// Who drives its followers, as other processes see it.
    holder: String,
    members: Vec<Member>,
    followed: Vec<Arc<Followed>>,
}

/// An application of a system.
#[derive(Clone)]
struct Member {
    application: Application,
    types: Types,
}

impl System {
    /// A system without members. Its name is for people.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            holder: this_process(&name),
            name,
            members: Vec::new(),
            followed: Vec::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds an application, with the types of its aggregates, for those who manage it. It need not be followed.
    #[must_use]
    pub fn application(
        mut self,
        application: &Application,
        types: impl FnOnce(Types) -> Types,
    ) -> Self {
        self.members.push(Member {
            application: application.clone(),
            types: types(Types::default()),
        });
        self
    }

    /// Lets a follower follow the log of an application. One that has the name of another is never run, and says so, also where they follow different
    /// logs: their checkpoints would be told apart, but whoever asks a system for [a follower](System::follower), or a management command for one,
    /// has its name alone. A process manager follows several logs under [a name for each](Reactions::named).
    #[must_use]
    pub fn follow(mut self, application: &Application, follower: impl Follower) -> Self {
        let taken = self
            .followed
            .iter()
            .any(|other| other.id.name == follower.name());
        let watches = self.followed.iter().map(|followed| &followed.watch);
        let watch = watches.clone().find(|watch| watch.is_of(application));
        let watch = match watch {
            Some(watch) => Arc::clone(watch),
            None => Arc::new(Watch::new(application)),
        };
        let followed = Followed::new(application, Box::new(follower), taken, watch);
        self.followed.push(Arc::new(followed));
        self
    }

    /// Its applications, with the types of their aggregates as far as they were named.
    pub fn applications(&self) -> impl Iterator<Item = (&Application, &[AggregateType])> {
        let members = self.members.iter();
        members.map(|member| (&member.application, member.types.all()))
    }

    /// One of its applications, by name: for the web server of a program whose system is made in one place.
    #[must_use]
    pub fn application_named(&self, name: &str) -> Option<&Application> {
        let mut members = self.members.iter().map(|member| &member.application);
        members.find(|application| application.name() == Some(name))
    }

    /// One of its followers, by name. What is asked of one that does not exist is an error.
    pub fn follower(&self, name: &str) -> FollowerHandle {
        let found = self
            .followed
            .iter()
            .find(|followed| followed.id.name == name);
        let followed = found.cloned().ok_or_else(|| self.names());
        FollowerHandle::new(name, self.holder.clone(), followed)
    }

    /// All of its followers, in the order in which they were added.
    pub fn followers(&self) -> impl Iterator<Item = FollowerHandle> {
        self.followed.iter().map(|followed| {
            FollowerHandle::new(
                &followed.id.name,
                self.holder.clone(),
                Ok(Arc::clone(followed)),
            )
        })
    }

    /// The names of its followers; one that several have, once.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for followed in &self.followed {
            let name = &*followed.id.name;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// Who holds a lease, for people: the host is left out where the operating system says it in another way than by a file or by the environment.
fn this_process(system: &str) -> String {
    let (process, run) = (std::process::id(), uuid::Uuid::now_v7());
    let of_linux = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let variables = ["HOSTNAME", "COMPUTERNAME"].into_iter();
    let host = of_linux.or_else(|| variables.filter_map(|name| std::env::var(name).ok()).next());
    match host.as_deref().unwrap_or_default().trim() {
        "" => format!("`{system}` in process {process}, {run}"),
        host => format!("`{system}` in process {process} on {host}, {run}"),
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("name", &self.name)
            .field("followed", &self.followed)
            .finish_non_exhaustive()
    }
}
