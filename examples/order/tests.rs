//! What an order promises, tested without a store.
use es_core::testing::{given, schema_guard, when_created};
use es_core::{Aggregate, Application, UpdateError};
use es_store_memory::MemoryStore;
use rust_decimal::{Decimal, dec};
use uuid::Uuid;

use crate::order::{Order, OrderEvent, Refused, Status};

const USER: Uuid = Uuid::from_u128(7);

#[test]
fn what_happens_to_an_order_is_recorded() -> Result<(), Refused> {
    let user_id = USER;
    let mut order = Order::create(user_id);
    order.set_status(Status::Confirmed)?;
    assert_eq!(
        order.pending(),
        [
            OrderEvent::Created { user_id },
            OrderEvent::StatusChanged {
                new_status: Status::Confirmed
            }
        ]
    );
    Ok(())
}

#[test]
fn the_total_is_kept_exactly() -> Result<(), Refused> {
    let mut order = Order::create(USER);
    order.add_line("sticker", 3, dec!(0.10))?;
    order.add_line("teapot", 1, dec!(34.90))?;
    assert_eq!(order.total(), dec!(35.20));
    Ok(())
}

#[test]
fn a_paid_order_is_shipped() {
    let user_id = USER;
    given::<Order>([
        OrderEvent::Created { user_id },
        OrderEvent::StatusChanged {
            new_status: Status::Paid,
        },
    ])
    .when(|order| order.set_status(Status::Shipped))
    .then([OrderEvent::StatusChanged {
        new_status: Status::Shipped,
    }]);
}

#[test]
fn a_wrong_transition_is_refused_and_records_nothing() {
    let user_id = USER;
    given::<Order>([OrderEvent::Created { user_id }])
        .when(|order| order.set_status(Status::Shipped))
        .refused_with(Refused::Transition {
            from: Status::New,
            to: Status::Shipped,
        });
}

#[test]
fn an_order_begins_with_its_creation() {
    let user_id = USER;
    when_created(|| Order::create(user_id)).then([OrderEvent::Created { user_id }]);
}

/// After a change to an event, this says whether stored orders can still be read, and what to do where they cannot.
#[test]
fn stored_orders_stay_readable() {
    schema_guard("order/events.json")
        .samples::<Order>([
            OrderEvent::Created { user_id: USER },
            OrderEvent::LineAdded {
                product: "teapot".to_owned(),
                quantity: 2,
                price: dec!(34.90),
                total: dec!(69.80),
            },
            OrderEvent::StatusChanged {
                new_status: Status::New,
            },
            OrderEvent::StatusChanged {
                new_status: Status::Confirmed,
            },
            OrderEvent::StatusChanged {
                new_status: Status::Paid,
            },
            OrderEvent::StatusChanged {
                new_status: Status::Shipped,
            },
        ])
        .check();
}

#[test]
fn a_wrong_status_is_refused_by_name() {
    let unknown = "lost".parse::<Status>().unwrap_err();
    assert!(unknown.to_string().contains("`lost`"));
    for status in ["new", "confirmed", "paid", "shipped"] {
        assert!(status.parse::<Status>().is_ok(), "{status}");
    }
}

#[test]
fn a_confirmed_order_takes_no_more_lines() {
    let user_id = USER;
    given::<Order>([
        OrderEvent::Created { user_id },
        OrderEvent::StatusChanged {
            new_status: Status::Confirmed,
        },
    ])
    .when(|order| order.add_line("cup", 1, dec!(7.25)))
    .refused_with(Refused::Closed(Status::Confirmed));
}

#[test]
fn a_line_that_would_pay_the_buyer_is_refused() {
    for (quantity, price) in [(0, dec!(7.25)), (1, dec!(-0.01))] {
        let user_id = USER;
        let product = "cup".to_owned();
        given::<Order>([OrderEvent::Created { user_id }])
            .when(|order| order.add_line("cup", quantity, price))
            .refused_with(Refused::Line {
                product,
                quantity,
                price,
            });
    }
}

#[test]
fn a_total_beyond_every_number_is_refused() {
    let mut order = Order::create(USER);
    assert_eq!(
        order.add_line("planet", 2, Decimal::MAX),
        Err(Refused::TooLarge)
    );
}

#[test]
fn its_events_make_the_same_order_again() -> Result<(), Box<dyn std::error::Error>> {
    let mut order = Order::create(USER);
    order.add_line("cup", 2, dec!(7.25))?;
    order.set_status(Status::Confirmed)?;
    let again = Order::replay(order.id(), order.pending().to_vec())?;
    assert_eq!(again, order);
    assert!(again.pending().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_refused_command_is_told_by_its_own_error_and_saves_nothing() -> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    let mut order = Order::create(USER);
    app.save(&mut order).await?;
    let refused = app
        .update(order.id(), |order: &mut Order| {
            order.set_status(Status::Paid)
        })
        .await;
    assert!(matches!(
        refused,
        Err(UpdateError::Refused(Refused::Transition {
            from: Status::New,
            to: Status::Paid
        }))
    ));
    assert_eq!(app.get::<Order>(order.id()).await?, order);
    Ok(())
}
