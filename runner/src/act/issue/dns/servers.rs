//! Who of a zone's servers shows a record.

use std::net::SocketAddr;

use domain::base::Rtype;
use domain::base::iana::Rcode;
use futures_util::future::join_all;

use super::exchange::ask;
use super::message::{Name, Question};
use super::resolver::Server;

/// How much of what a server shows instead is told.
const TOLD: usize = 3;

/// Asks each of `servers` at all its addresses for the TXT records of `name`; what
/// those answer that do not show all of `values`. Nothing: all show them.
pub(super) async fn lacking(
    servers: &[Server],
    port: u16,
    name: &Name,
    values: &[&str],
) -> Vec<String> {
    let looks = servers
        .iter()
        .map(|server| lacking_at(server, port, name, values));
    join_all(looks).await.into_iter().flatten().collect()
}

/// An address to which there is no way from here counts only when there is no other.
async fn lacking_at(server: &Server, port: u16, name: &Name, values: &[&str]) -> Option<String> {
    if server.addresses.is_empty() {
        return Some(format!("{} has no address", server.name));
    }
    let looks = server.addresses.iter().map(|&address| async move {
        let address = SocketAddr::from((address, port));
        (address, look(address, name, values).await)
    });
    let mut looks = join_all(looks).await;
    let is_reached = |look: &(SocketAddr, Look)| !matches!(look.1, Look::NoWay(_));
    if looks.iter().any(is_reached) {
        looks.retain(is_reached);
    }
    let mut lacks = looks.into_iter().filter_map(|(address, look)| match look {
        Look::Shows => None,
        Look::NoWay(why) | Look::Lacks(why) => Some((address, why)),
    });
    let (address, why) = lacks.next()?;
    Some(format!("{} ({address}) {why}", server.name))
}

enum Look {
    Shows,
    /// What it does instead.
    Lacks(String),
    /// This host cannot reach such an address.
    NoWay(String),
}

async fn look(server: SocketAddr, name: &Name, values: &[&str]) -> Look {
    let question = Question {
        name,
        kind: Rtype::TXT,
        recursive: false,
    };
    let answer = match ask(server, question).await {
        Ok(answer) => answer,
        Err(error) if error.is_no_way() => return Look::NoWay(format!("cannot be asked: {error}")),
        Err(error) => return Look::Lacks(format!("does not answer: {error}")),
    };
    match answer.rcode() {
        Rcode::NOERROR => {}
        rcode => return Look::Lacks(format!("answers {rcode}")),
    }
    let texts = answer.texts(name);
    if values
        .iter()
        .all(|value| texts.iter().any(|text| text == value))
    {
        return Look::Shows;
    }
    Look::Lacks(match texts.as_slice() {
        [] => "answers that there is no TXT record".to_owned(),
        others => format!("answers {}", shown(others)),
    })
}

fn shown(texts: &[String]) -> String {
    let mut shown: Vec<String> = texts
        .iter()
        .take(TOLD)
        .map(|it| format!("{it:?}"))
        .collect();
    if texts.len() > TOLD {
        shown.push(format!("and {} more", texts.len() - TOLD));
    }
    shown.join(", ")
}
