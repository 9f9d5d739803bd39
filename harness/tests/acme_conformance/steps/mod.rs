//! The steps, by what they are about.

mod accounts;
mod certificates;
mod orders;
mod requests;
mod validation;

pub(crate) use certificates::certificate_id;

use crate::{
    seen::Seen,
    walk::{Server, Walk},
};

/// All of them, in order.
pub(crate) async fn all(server: &Server<'_>) -> Vec<Seen> {
    let mut walk = Walk::begin(server).await;
    requests::walk(&mut walk, &server.directory).await;
    accounts::walk(&mut walk).await;
    orders::walk(&mut walk).await;
    validation::walk(&mut walk).await;
    certificates::walk(&mut walk).await;
    walk.end()
}
