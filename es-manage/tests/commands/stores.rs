//! Which store `--store` means, and whether anybody heard it.
use crate::Test;
use crate::child::Place;

pub(crate) const TESTS: &[Test] = tests![
    a_store_of_an_application_that_there_is_not_is_refused,
    a_store_that_nobody_asked_for_is_refused,
    a_store_of_another_process_in_memory_is_refused,
];

fn a_store_of_an_application_that_there_is_not_is_refused() {
    let place = Place::seeded();
    for command in ["status", "migrate"] {
        let ended = place.run([command, "--store", "ofice=sqlite:copy.db"]);
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(
            ended.err.contains(
                "`--store ofice=..` names no application of the system; it has school, office"
            ),
            "{ended:?}"
        );
    }
    assert!(!place.path("copy.db").exists());
}

fn a_store_that_nobody_asked_for_is_refused() {
    let place = Place::seeded();
    for (command, said) in [
        ("events", "sqlite:copy.db"),
        ("migrate", "sqlite:copy.db"),
        ("events", "school=sqlite:copy.db"),
    ] {
        let mut command = place.command([command, "--store", said]);
        let ended = place.ended(command.env("MANAGED", "of its own").output().unwrap());
        let told = "error: `school` has its store from elsewhere than `--store` says; have the system ask for that, by `Stores::settings` and there by \
            `builder_and_store` or `store_url`, or leave it out\n";
        assert_eq!((ended.status, &*ended.err), (1, told));
    }
    // One for those that have none of their own.
    let one_for_all = [
        "status",
        "--store",
        "sqlite:copy.db",
        "--store",
        "school=sqlite:school.db",
        "--store",
        "office=sqlite:office.db",
    ];
    assert_eq!(place.run(one_for_all).status, 0);
    let mut command = place.command(["status"]);
    let ended = place.ended(command.env("MANAGED", "of its own").output().unwrap());
    assert_eq!(ended.status, 0, "{ended:?}");
}

fn a_store_of_another_process_in_memory_is_refused() {
    let place = Place::seeded();
    for command in ["status", "verify", "migrate"] {
        let ended = place.run([command, "--store", "sqlite::memory:"]);
        let told = "error: `:memory:` is empty at each opening, and nobody else sees what is in it, so there is nothing to read or to migrate; \
            name a file, or open it to be written, without `migrate(false)`\n";
        assert_eq!((ended.status, &*ended.err), (1, told));
    }
}
