//! `rollover account`: the account at the authority, of the engine acme.

use clap::{Args, ValueEnum};

use super::lease::{Wait, under_lease};
use super::start::start_alone;
use super::{Exit, complain, print};
use crate::config::Settings;
use crate::reconcile::Runner;

#[derive(Args, Debug)]
pub(super) struct Account {
    /// What to do with it
    #[arg(value_enum, value_name = "ACTION")]
    action: Action,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Give it another key; the old one is of no use after that
    RolloverKey,
}

impl Account {
    /// Under the lease: whichever runner acts may be about to use the old key.
    pub(super) async fn run(self) -> Exit {
        let (mut runner, _exclusive) = match start_alone(self.settings).await {
            Ok(started) => started,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let act = async |runner: &mut Runner| match self.action {
            Action::RolloverKey => runner.acme.roll_account_key(&runner.settings).await,
        };
        match under_lease(&mut runner, self.wait, act).await {
            Err(error) => error.complain(),
            Ok(Ok(())) => {
                print("the account has another key\n");
                Exit::Ok
            }
            Ok(Err(error)) => {
                complain(&format!("cannot {error}"));
                Exit::Failed
            }
        }
    }
}
