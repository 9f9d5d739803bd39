//! `rollover healthcheck`: whether the daemon of this container does its work. It says
//! nothing of certificates: a runner that is started anew would not mend them.

use clap::Args;

use super::{Exit, complain, print};
use crate::clock::now;
use crate::daemon::{Told, ask};
use crate::status::whole;

#[derive(Args, Debug)]
pub(super) struct Healthcheck {}

impl Healthcheck {
    pub(super) async fn run(self) -> Exit {
        match ask().await.and_then(|told| works(&told)) {
            Ok(how) => {
                print(&format!("{how}\n"));
                Exit::Ok
            }
            Err(why) => {
                complain(&why);
                Exit::Failed
            }
        }
    }
}

fn works(told: &Told) -> Result<String, String> {
    if let Some(since) = told.hangs_since(now()) {
        return Err(format!(
            "it is at one look, and nothing came of that since {}",
            whole(since)
        ));
    }
    Ok(match (&told.standby, told.looked_at) {
        (Some(why), _) => format!("it stands by: {why}"),
        (None, Some(at)) => format!("it looked last at {}", whole(at)),
        (None, None) => format!("it runs since {}", whole(told.since)),
    })
}
