//! A training school for dogs: the smallest application there is.
//!
//! Dogs learn, an earlier version is looked at, and the story is told. All of it is kept in `school.db`, or where `--store URL` says; run twice, it
//! finds the dogs of the first run.
mod school;
#[cfg(test)]
mod tests;

use std::env;

use es_core::application::SaveError;
use es_core::{Application, Error, Version};
use es_store::Settings;
use examples::history_table;

use crate::school::{Dog, TrainingSchool};

#[tokio::main]
async fn main() -> es_core::Result<()> {
    // Compression, keys and more come from the environment: see `es_store`.
    let settings = Settings::new("school").store(store_url());
    run(settings.open().await?).await
}

fn store_url() -> String {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => "sqlite:school.db".to_owned(),
        [flag, url] if flag == "--store" => url.clone(),
        _ => {
            eprintln!("usage: dog_school [--store URL]");
            std::process::exit(1);
        }
    }
}

async fn run(app: Application) -> es_core::Result<()> {
    let school = TrainingSchool::new(app.clone());
    match school.register("Fido").await {
        Ok(()) => {}
        Err(error @ Error::Save(SaveError::AlreadyExists { .. })) => {
            println!("Fido is known: {error}.")
        }
        Err(error) => return Err(error),
    }
    // Each is a save of its own: what a run that was killed did not come to, the next one does.
    let known = school.tricks("Fido").await?;
    for trick in ["roll over", "play dead"] {
        if !known.iter().any(|known| known == trick) {
            school.add_trick("Fido", trick).await?;
        }
    }
    println!("Fido can {}.", school.tricks("Fido").await?.join(" and "));

    let fido = Dog::id_for("Fido");
    let younger = app.get_at::<Dog>(fido, Version::from(2)).await?;
    println!("{} at version 2: {:?}", younger.name(), younger.tricks());

    println!("{}", history_table(app.history::<Dog>(fido)).await?);
    Ok(())
}
