//! Creating an aggregate and calling its event methods.
use std::rc::Rc;

use crate::by_hand;
use crate::dog::{self, Dog, NAME};
use crate::harness::{Effort, Scenario};

pub(super) fn run(effort: &Effort) {
    let tricks: Rc<[String]> = dog::tricks(effort.short).into();
    let same = Rc::clone(&tricks);
    Scenario::new(
        format!("record 1 + {} events", effort.short),
        "event",
        effort.short + 1,
    )
    .contestant(
        "ours",
        || (),
        move |()| {
            let mut dog = Dog::register(NAME);
            for trick in &*tricks {
                dog.add_trick(trick.as_str());
            }
            dog
        },
        |dog| dog.seen(),
    )
    .contestant(
        "by hand",
        || (),
        move |()| {
            let mut dog = by_hand::Dog::register(Dog::id_for(NAME), NAME);
            for trick in &*same {
                dog.add_trick(trick.as_str());
            }
            dog
        },
        |dog| dog.seen(),
    )
    .run(effort);
}
