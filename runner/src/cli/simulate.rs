//! `rollover simulate`: the policy on a virtual clock.

use clap::Args;
use jiff::SignedDuration;

use super::{Exit, complain, print};
use crate::decide::renewal::verdict;
use crate::model::parse_duration;
use crate::simulate::{Outage, Outcome, Rules, Simulation, simulate};

#[derive(Args, Debug)]
pub(super) struct Simulate {
    /// How many certificates there are. None is issued at the beginning
    #[arg(long, value_name = "N", default_value = "1000",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    certificates: u32,

    /// How many days go by
    #[arg(long, value_name = "D", default_value = "365",
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,

    /// The authority: `letsencrypt`, or a file of JSON
    #[arg(long, value_name = "letsencrypt|FILE", default_value = "letsencrypt")]
    ca: String,

    /// A time in which it does not answer, from a day on, such as 40+72h; may be
    /// given several times
    #[arg(long = "outage", value_name = "DAY+DURATION")]
    outages: Vec<Outage>,

    /// How often the daemon starts anew, with no memory but what it keeps in the
    /// swarm
    #[arg(long, value_name = "DURATION", value_parser = restart_every)]
    restart_every: Option<SignedDuration>,

    /// What chance is drawn from: the same seed, the same outcome
    #[arg(long, value_name = "S", default_value = "0")]
    seed: u64,

    /// Print the outcome as one JSON document
    #[arg(long)]
    json: bool,
}

fn restart_every(text: &str) -> Result<SignedDuration, String> {
    let every = parse_duration(text)?;
    let every = SignedDuration::try_from(every).map_err(|error| error.to_string())?;
    if every < SignedDuration::from_mins(1) || every > SignedDuration::from_hours(876_600) {
        return Err(format!("expected a minute or more, found {text:?}"));
    }
    Ok(every)
}

impl Simulate {
    pub(super) fn run(self) -> Exit {
        let json = self.json;
        let outcome = match self.simulation().and_then(|it| {
            simulate(&it).map_err(|error| format!("a history cannot be read again: {error}"))
        }) {
            Ok(outcome) => outcome,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        show(&outcome, json);
        if outcome.is_good() {
            Exit::Ok
        } else {
            Exit::Failed
        }
    }

    fn simulation(self) -> Result<Simulation, String> {
        Ok(Simulation {
            rules: Rules::read(&self.ca).map_err(|error| error.to_string())?,
            certificates: self.certificates as usize,
            days: self.days,
            outages: self.outages,
            restart_every: self.restart_every,
            seed: self.seed,
            policy: verdict,
        })
    }
}

fn show(outcome: &Outcome, json: bool) {
    if json {
        // Plain data whose every part serialises: this cannot fail.
        let document = serde_json::to_string_pretty(outcome).unwrap_or_default();
        print(&format!("{document}\n"));
    } else {
        print(&outcome.to_string());
    }
}
