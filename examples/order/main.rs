//! An order in a shop: commands that may refuse, a total that is kept, and the story of it all.
//!
//! `order.rs` is the aggregate. A command (`set_status`) decides and may say no; the event it then calls states a fact.

mod order;
#[cfg(test)]
mod tests;

use std::error::Error;

use es_core::{Aggregate, Application};
use es_store_memory::MemoryStore;
use examples::history_table;
use rust_decimal::dec;
use uuid::Uuid;

use crate::order::{Order, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Application::new(MemoryStore::new());

    let mut order = Order::create(Uuid::new_v5(&Uuid::NAMESPACE_URL, b"/users/alice"));
    order.add_line("teapot", 1, dec!(34.90))?;
    order.add_line("cup", 4, dec!(7.25))?;
    app.save(&mut order).await?;
    let id = order.id();

    app.update(id, |order: &mut Order| order.set_status(Status::Confirmed))
        .await?;

    match "lost".parse::<Status>() {
        Ok(status) => println!("{status:?} is a status"),
        Err(unknown) => println!("Refused: {unknown}."),
    }
    match app
        .update(id, |order: &mut Order| order.set_status(Status::Shipped))
        .await
    {
        Ok(_) => println!("shipped without being paid"),
        Err(refused) => println!("Refused: {refused}."),
    }

    app.update(id, |order: &mut Order| order.set_status(Status::Paid))
        .await?;
    app.update(id, |order: &mut Order| order.set_status(Status::Shipped))
        .await?;

    let order = app.get::<Order>(id).await?;
    println!(
        "{:?} to {}, {} lines, {} in all.",
        order.status(),
        order.user_id(),
        order.lines().len(),
        order.total()
    );
    println!("{}", history_table(app.history::<Order>(id)).await?);
    Ok(())
}
