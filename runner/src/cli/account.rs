//! `rollover account`: the account at the authority, of the engine acme.

use clap::{Args, ValueEnum};

use super::exclusive::Exclusive;
use super::start::begin;
use super::{Exit, complain, print};
use crate::act::issue::Acme;
use crate::config::Settings;

#[derive(Args, Debug)]
pub(super) struct Account {
    /// What to do with it
    #[arg(value_enum, value_name = "ACTION")]
    action: Action,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Give it another key; the old one is of no use after that
    RolloverKey,
}

impl Account {
    /// Needs no swarm: an account is a matter between the authority and a file.
    pub(super) async fn run(self) -> Exit {
        if let Err(error) = begin(&self.settings) {
            complain(&error);
            return Exit::Two;
        }
        // The daemon may be about to use the old one.
        let _exclusive = match Exclusive::wait().await {
            Ok(exclusive) => exclusive,
            Err(error) => {
                complain(&format!("cannot tell whether a reconcile runs: {error}"));
                return Exit::Two;
            }
        };
        let done = match self.action {
            Action::RolloverKey => Acme::default().roll_account_key(&self.settings).await,
        };
        match done {
            Ok(()) => {
                print("the account has another key\n");
                Exit::Ok
            }
            Err(error) => {
                complain(&format!("cannot {error}"));
                Exit::Failed
            }
        }
    }
}
