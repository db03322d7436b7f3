//! What is said on the command line.

const USAGE: &str =
    "usage: web --store postgres://USER@HOST/DATABASE [--listen 127.0.0.1:3000] [--migrate]";

pub struct Arguments {
    pub store: String,
    pub listen: String,
    /// Bring the database up to date and end.
    pub migrate: bool,
}

impl Arguments {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut store, mut listen, mut migrate) = (None, "127.0.0.1:3000".to_owned(), false);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
            match argument.as_str() {
                "--store" => store = Some(value()?),
                "--listen" => listen = value()?,
                "--migrate" => migrate = true,
                _ => return Err(USAGE.to_owned()), // what is unknown may be a URL with a password
            }
        }
        Ok(Self {
            store: store.ok_or(USAGE)?,
            listen,
            migrate,
        })
    }
}
