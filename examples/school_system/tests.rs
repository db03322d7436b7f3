//! What the school and its office promise together.
use std::time::Duration;

use es_core::testing::reacting;
use es_core::{Application, ProcessManager, System};
use es_manage::{At, Status, SyncOptions};
use es_store::Stores;
use es_store_memory::MemoryStore;

use crate::certificate::{Certificate, CertificateEvent, Certificates};
use crate::school::{Dog, DogEvent, TrainingSchool};
use crate::system::system;

fn applications(system: &System) -> [Application; 2] {
    let mut applications = system.applications();
    [(); 2].map(|()| applications.next().unwrap().0.clone())
}

async fn train(school: &Application, tricks: u32) {
    let school = TrainingSchool::new(school.clone());
    school.register("Fido").await.unwrap();
    for number in 0..tricks {
        let trick = format!("trick {number}");
        school.add_trick("Fido", &trick).await.unwrap();
    }
}

#[tokio::test]
async fn the_first_trick_opens_a_certificate_and_each_counts_on_it() {
    let [school, office] = [(); 2].map(|()| Application::new(MemoryStore::new()));
    let fido = Dog::id_for("Fido");
    let certificate = Certificate::id_for(fido);
    let opened = CertificateEvent::Opened { dog: fido };
    let learned = || DogEvent::TrickAdded {
        trick: "sit".to_owned(),
    };
    reacting(&school, Certificates.onto(&office))
        .when::<Dog>(fido, learned())
        .await
        .then::<Certificate>(certificate, [opened.clone(), CertificateEvent::Counted {}])
        .then_nothing_else();
    reacting(&school, Certificates.onto(&office))
        .given::<Certificate>(certificate, [opened])
        .when::<Dog>(fido, learned())
        .await
        .then::<Certificate>(certificate, [CertificateEvent::Counted {}])
        .then_nothing_else();
}

#[tokio::test]
async fn each_trick_is_counted_once_whoever_drives_the_office() {
    let system = system(Stores::new().store("memory:")).await.unwrap();
    let [school, office] = applications(&system);
    train(&school, 3).await;
    let all = SyncOptions::default();
    let report = es_manage::sync_followers(&system, &all, &()).await.unwrap();
    assert_eq!(
        (report.status(), report.followers[0].events),
        (Status::Well, 4)
    );

    let running = system.start();
    let learn = |fido: &mut Dog| fido.add_trick("sit");
    let saved = school.update(Dog::id_for("Fido"), learn).await.unwrap();
    let certificates = system.follower("certificates");
    certificates
        .wait_for(saved.position, Duration::from_secs(30))
        .await
        .unwrap();
    running.stop().await.unwrap();

    let id = Certificate::id_for(Dog::id_for("Fido"));
    assert_eq!(office.get::<Certificate>(id).await.unwrap().tricks, 4);
}

#[tokio::test]
async fn the_office_goes_on_where_another_process_ended() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let stores = Stores::new()
        .store_of("school", url("school.db"))
        .store_of("office", url("office.db"));
    let opened = || system(stores.clone());
    train(&applications(&opened().await.unwrap())[0], 2).await;
    for _ in 0..2 {
        let system = opened().await.unwrap();
        system.settle().await.unwrap();
        let [_, office] = applications(&system);
        let id = Certificate::id_for(Dog::id_for("Fido"));
        assert_eq!(office.get::<Certificate>(id).await.unwrap().tricks, 2);
        let certificates = system.applications().nth(1).unwrap().1[0];
        let shown = es_manage::show(&office, &certificates, id, At::Now, 1)
            .await
            .unwrap();
        assert_eq!(shown.state[0].value.as_deref(), Some("2"));
    }
}
