//! Members: who they are, and that a name belongs to one of them.
use es_core::{Aggregate, Root, events};
use uuid::Uuid;

use crate::passwords::{Credential, Passwords};

#[derive(Aggregate, Debug)]
#[aggregate("Member")]
pub struct Member {
    root: Root<Self>,
    user_name: String,
    credential: Credential,
}

/// The name or the password is wrong; which of them is nobody's business.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the name or the password is wrong")]
pub struct WrongCredentials;

#[events]
impl Member {
    #[event("Registered")]
    pub fn register(user_name: &str, credential: Credential) -> Self {
        Self {
            root: Root::new(),
            user_name: user_name.to_owned(),
            credential,
        }
    }

    pub fn log_in(
        &mut self,
        passwords: &Passwords,
        password: &str,
    ) -> Result<(), WrongCredentials> {
        if !passwords.fits(&self.credential, password) {
            return Err(WrongCredentials);
        }
        self.logged_in();
        Ok(())
    }

    #[event("LoggedIn")]
    fn logged_in(&mut self) {}

    pub fn user_name(&self) -> &str {
        &self.user_name
    }
}

/// A name that is taken. Its id is made of the name, so that of two members who take it in the same moment the store lets one be the first.
#[derive(Aggregate, Debug)]
#[aggregate("UserName")]
pub struct UserName {
    root: Root<Self>,
    member: Uuid,
}

#[events]
impl UserName {
    /// `Ann` and ` ann` are one name.
    pub fn id_for(name: &str) -> Uuid {
        let name = name.trim().to_lowercase();
        Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            format!("/user_names/{name}").as_bytes(),
        )
    }

    #[event("Taken", id = Self::id_for(name))]
    pub fn take(name: &str, member: Uuid) -> Self {
        Self {
            root: Root::new(),
            member,
        }
    }

    pub fn member(&self) -> Uuid {
        self.member
    }
}
