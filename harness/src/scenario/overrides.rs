//! What a person wants different from a scenario's own parameters: flags of the command
//! line, or variables where there is none, such as for `cargo test`.

use std::{num::ParseIntError, time::Duration};

use clap::{Args, CommandFactory, Parser, error::ContextKind};

use super::Parameters;
use crate::site::{Engine, Strategy};
use crate::volume::Volume;

/// What a person wants different from a scenario's own parameters.
#[derive(Args, Debug, Clone, Default, PartialEq)]
#[command(next_help_heading = "In place of a scenario's own")]
pub struct Overrides {
    /// Nodes of the lab; replicas follow, unless they are given too
    #[arg(long, env = "ROLLOVER_LAB_NODES", value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub nodes: Option<u8>,

    /// Replicas of the load balancer, at most one on each node
    #[arg(long, env = "ROLLOVER_LAB_REPLICAS", value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub replicas: Option<u8>,

    /// Requests a second in each lane
    #[arg(long, env = "ROLLOVER_LAB_RATE", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// The volume that the nodes mount
    #[arg(long, env = "ROLLOVER_LAB_VOLUME")]
    pub volume: Option<Volume>,

    /// How certificates reach the replicas
    #[arg(long, env = "ROLLOVER_LAB_STRATEGY", value_enum)]
    pub strategy: Option<Strategy>,

    /// What obtains certificates
    #[arg(long, env = "ROLLOVER_LAB_ENGINE", value_enum)]
    pub engine: Option<Engine>,

    /// Renewals in a row, where a scenario has more than one
    #[arg(long, env = "ROLLOVER_LAB_RENEWALS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub renewals: Option<u32>,

    /// How long a scenario goes on that has no end of its own
    #[arg(long = "minutes", env = "ROLLOVER_LAB_MINUTES", value_name = "MINUTES", value_parser = minutes)]
    pub length: Option<Duration>,

    /// What chance is made of: the same seed, the same choices
    #[arg(long, env = "ROLLOVER_LAB_SEED")]
    pub seed: Option<u64>,
}

/// They alone, of the variables of this process.
#[derive(Parser, Debug)]
#[command(no_binary_name = true)]
struct Alone {
    #[command(flatten)]
    overrides: Overrides,
}

impl Overrides {
    /// Those of [`Parameters::named`] that the command line takes, but for the seed.
    pub(crate) const NAMES: [&str; 8] = [
        "nodes", "replicas", "rate", "volume", "strategy", "engine", "renewals", "minutes",
    ];

    /// Those that the variables of this process ask for, as the flags of
    /// `rollover-lab run` do: `ROLLOVER_LAB_NODES=5` is `--nodes 5`.
    ///
    /// # Errors
    /// With the variable whose value is wrong, and what was expected.
    pub fn from_environment() -> Result<Self, String> {
        Self::of_arguments(&[])
    }

    fn of_arguments(arguments: &[&str]) -> Result<Self, String> {
        let alone = Alone::try_parse_from(arguments);
        alone.map(|alone| alone.overrides).map_err(|error| {
            let said = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
            let variable = variable(&said(ContextKind::InvalidArg));
            format!(
                "{variable}={}: {}",
                said(ContextKind::InvalidValue),
                reason(&error)
            )
        })
    }

    /// A scenario's own parameters, with what is wanted different.
    #[must_use]
    pub fn over(&self, own: Parameters) -> Parameters {
        let nodes = self.nodes.unwrap_or(own.nodes);
        Parameters {
            nodes,
            managers: own.managers.min(nodes),
            replicas: self
                .replicas
                .or(self.nodes)
                .unwrap_or(own.replicas)
                .min(nodes),
            rate: self.rate.unwrap_or(own.rate),
            requests: own.requests,
            volume: self.volume.clone().unwrap_or(own.volume),
            strategy: self.strategy.unwrap_or(own.strategy),
            acme: own.acme,
            engine: self.engine.unwrap_or(own.engine),
            renewals: self.renewals.unwrap_or(own.renewals),
            length: self.length.unwrap_or(own.length),
            seed: self.seed.unwrap_or(own.seed),
        }
    }
}

/// The variable of a flag, as an error names that: `--nodes <N>`.
fn variable(flag: &str) -> String {
    let mut command = Alone::command();
    command.build();
    let mut flags = command.get_arguments();
    let found = flags.find(|argument| argument.to_string() == flag);
    let variable = found.and_then(clap::Arg::get_env);
    variable.map_or_else(|| flag.to_owned(), |name| name.display().to_string())
}

/// Why a value is wrong: what its own parser says, or which values there are.
fn reason(error: &clap::Error) -> String {
    let valid = error.get(ContextKind::ValidValue);
    match (std::error::Error::source(error), valid) {
        (Some(source), _) if source.is::<ParseIntError>() => {
            format!("expected a whole number: {source}")
        }
        (Some(source), _) => source.to_string(),
        (None, Some(values)) => format!("expected one of {values}"),
        (None, None) => error.kind().to_string(),
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: Option<u64> = text.parse().ok();
    let seconds = minutes.and_then(|minutes| minutes.checked_mul(60));
    let length = seconds.filter(|seconds| *seconds > 0);
    let length = length.ok_or("expected a number of minutes, one or more")?;
    Ok(Duration::from_secs(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_follow_the_nodes() {
        let five = Overrides {
            nodes: Some(5),
            ..Overrides::default()
        };
        assert_eq!(five.over(Parameters::default()).replicas, 5);
        let two_of_five = Overrides {
            replicas: Some(2),
            ..five
        };
        assert_eq!(two_of_five.over(Parameters::default()).replicas, 2);
    }

    #[test]
    fn there_is_never_more_than_one_replica_on_a_node() {
        let one = Overrides {
            nodes: Some(1),
            ..Overrides::default()
        };
        assert_eq!(one.over(Parameters::default()).replicas, 1);
    }

    #[test]
    fn each_has_a_variable_of_the_same_name_as_its_flag() {
        for argument in Alone::command().get_arguments() {
            let flag = argument.get_long().unwrap();
            let variable = argument.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, format!("ROLLOVER_LAB_{}", flag.to_uppercase()));
        }
        let flags = Alone::command().get_arguments().count();
        assert_eq!(flags, Overrides::NAMES.len() + 1, "and the seed");
    }

    #[test]
    fn a_wrong_value_is_told_by_its_variable_with_what_was_expected() {
        for (argument, variable, expected) in [
            (
                "--nodes=none",
                "ROLLOVER_LAB_NODES=none",
                "expected a whole number",
            ),
            ("--replicas=0", "ROLLOVER_LAB_REPLICAS=0", "not in 1..="),
            (
                "--volume=nfs",
                "ROLLOVER_LAB_VOLUME=nfs",
                "expected bind, gluster, lagging",
            ),
            (
                "--engine=lego",
                "ROLLOVER_LAB_ENGINE=lego",
                "expected one of acme, certbot",
            ),
            ("--minutes=0", "ROLLOVER_LAB_MINUTES=0", "one or more"),
        ] {
            let said = Overrides::of_arguments(&[argument]).unwrap_err();
            assert!(said.starts_with(&format!("{variable}: ")), "{said}");
            assert!(
                said.contains(expected) && said.lines().count() == 1,
                "{said}"
            );
        }
    }

    #[test]
    fn values_are_read_as_the_command_line_has_them() {
        let read = Overrides::of_arguments(&["--minutes=3", "--strategy=secret"]).unwrap();
        assert_eq!(read.length, Some(Duration::from_secs(180)));
        assert_eq!(read.strategy, Some(Strategy::Secret));
    }
}
