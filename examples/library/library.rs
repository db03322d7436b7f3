//! What the library does.
use es_core::application::{SaveError, Updated};
use es_core::{Aggregate, Application, BoxError, Error, Metadata, UpdateError};
use uuid::Uuid;

use crate::book::{Book, Refused};
use crate::member::{Member, UserName, WrongCredentials};
use crate::passwords::Passwords;

#[derive(Clone)]
pub struct Library {
    app: Application,
    passwords: Passwords,
}

/// A member who has logged in.
#[derive(Debug, Clone)]
pub struct Session {
    user_name: String,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("the name `{name}` is taken")]
    NameTaken { name: String },
    #[error(transparent)]
    WrongCredentials(#[from] WrongCredentials),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the library could not do it")]
    Failed(#[source] BoxError),
}

impl From<Error> for LibraryError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A refusal is the domain's; all else is not.
impl<E: Into<Self>> From<UpdateError<E>> for LibraryError {
    fn from(error: UpdateError<E>) -> Self {
        match error {
            UpdateError::Refused(refusal) => refusal.into(),
            UpdateError::Failed(error) => error.into(),
        }
    }
}

impl Library {
    pub fn new(app: Application, passwords: Passwords) -> Self {
        Self { app, passwords }
    }

    /// The member and the name that is taken are one commit: there is no member without a name, and no name without a member.
    pub async fn register(&self, name: &str, password: &str) -> Result<Uuid, LibraryError> {
        let credential = self.passwords.credential(password);
        let credential = credential.map_err(|error| LibraryError::Failed(Box::new(error)))?;
        let mut member = Member::register(name.trim(), credential);
        let mut taken = UserName::take(name, member.id());
        match self.app.save((&mut taken, &mut member)).await {
            Ok(_) => Ok(member.id()),
            Err(Error::Save(SaveError::AlreadyExists { .. })) => Err(LibraryError::NameTaken {
                name: name.to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn log_in(&self, name: &str, password: &str) -> Result<Session, LibraryError> {
        let Some(taken) = self.app.find::<UserName>(UserName::id_for(name)).await? else {
            // It takes as long as a wrong password, so that nobody learns by that which names there are.
            let _ = self.passwords.credential(password);
            return Err(WrongCredentials.into());
        };
        let log_in = |member: &mut Member| {
            member.log_in(&self.passwords, password)?;
            Ok::<_, WrongCredentials>(())
        };
        self.app.update(taken.member(), log_in).await?;
        let member: Member = self.app.get(taken.member()).await?;
        Ok(Session {
            user_name: member.user_name().to_owned(),
        })
    }

    pub async fn add(&self, title: &str, author: &str) -> Result<Uuid, LibraryError> {
        let mut book = Book::add(title, author);
        self.app.save(&mut book).await?;
        Ok(book.id())
    }

    /// Answers with the position, for who wants to see it in a read model.
    pub async fn borrow(&self, session: &Session, book: Uuid) -> Result<Updated<()>, LibraryError> {
        let borrow = |book: &mut Book| book.borrow_to(&session.user_name);
        Ok(self.by(session).update(book, borrow).await?)
    }

    pub async fn give_back(
        &self,
        session: &Session,
        book: Uuid,
    ) -> Result<Updated<()>, LibraryError> {
        let give_back = |book: &mut Book| book.give_back(&session.user_name);
        Ok(self.by(session).update(book, give_back).await?)
    }

    /// What a member does is kept with his name.
    fn by(&self, session: &Session) -> Application {
        self.app
            .with(Metadata::new().actor(session.user_name.as_str()))
    }
}
