//! Books, and who has them. What an event says of a member is his name as it was then: nobody has to look anything up to understand it.
use es_core::{Aggregate, Root, events};

#[derive(Aggregate, Debug)]
#[aggregate("Book")]
pub struct Book {
    root: Root<Self>,
    on_loan_to: Option<String>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error("the book is on loan to {to}")]
    OnLoan { to: String },
    #[error("the book is not on loan to {to}")]
    NotOnLoan { to: String },
}

#[events]
impl Book {
    #[event("Added")]
    pub fn add(title: &str, author: &str) -> Self {
        Self {
            root: Root::new(),
            on_loan_to: None,
        }
    }

    pub fn borrow_to(&mut self, user_name: &str) -> Result<(), Refused> {
        match &self.on_loan_to {
            Some(to) => Err(Refused::OnLoan { to: to.clone() }),
            None => {
                self.borrowed(user_name);
                Ok(())
            }
        }
    }

    pub fn give_back(&mut self, user_name: &str) -> Result<(), Refused> {
        if self.on_loan_to.as_deref() != Some(user_name) {
            let to = user_name.to_owned();
            return Err(Refused::NotOnLoan { to });
        }
        self.returned(user_name);
        Ok(())
    }

    #[event("Borrowed")]
    fn borrowed(&mut self, by: &str) {
        self.on_loan_to = Some(by.to_owned());
    }

    #[event("Returned")]
    fn returned(&mut self, by: &str) {
        self.on_loan_to = None;
    }
}
