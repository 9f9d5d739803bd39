//! What the pages say of the command line and its settings, held against the
//! definitions. `docs/settings.md` is made from them.

// The lab's own pages test reads them in the same way.
#[path = "../../../harness/tests/docs/pages.rs"]
mod pages;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, Args, Command, CommandFactory};

use super::Cli;
use crate::config::Settings;
use pages::pages;

const HEAD: &str = "\
# Commands and settings

<!-- Made from the definitions in runner/src by `UPDATE_DOCS=1 cargo test -p rollover docs`. \
Edit those, not this page. -->

`rollover help` says the same, shorter. Results go to stdout, logs and errors to stderr. \
Logs are coloured on a terminal only, and never when `NO_COLOR` is set. On a terminal `once` and \
`rollout` also show a line for each replica, which changes in place.

| exit code | of every command |
|---|---|
| 0 | all is well; `run` was asked to end |
| 1 | something failed, or a problem was found; the rest was done |
| 2 | it could not start: wrong usage, a wrong setting, no swarm manager to speak to, another runner holds the lease |

`rollover once --detailed-exit-code` ends with 2 also when it changed something. Then a report is \
on stdout; when it could not start, stdout is empty.

## Commands

Each but `simulate` and `healthcheck` takes all the [settings](#settings) besides its own options.
";

const SETTINGS: &str = "
## Settings

Each is a flag and a variable; the flag wins. A stack file can set a variable to nothing, but not \
leave it out: nothing means \"not given\" for the schedule, the time zone, and each setting that \
shows no default. A duration is written as in a stack file: `30s`, `1m30s`, `2h`.
";

const FOR_TESTS: &str = "
## For tests

Not for a swarm that serves anybody.
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn settings() -> Vec<Arg> {
    let command = Settings::augment_args(Command::new("settings"));
    command.get_arguments().cloned().collect()
}

#[test]
fn the_page_of_settings_is_current() {
    let (page, path) = (reference(), root().join("docs/settings.md"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = there
        .lines()
        .zip(page.lines())
        .find(|(old, new)| old != new);
    assert!(
        there == page,
        "docs/settings.md is not what the definitions say; update it:\n\
         UPDATE_DOCS=1 cargo test -p rollover docs\nfirst difference: {differs:?}"
    );
}

fn reference() -> String {
    let settings = settings();
    let mut page = HEAD.to_owned();
    let cli = Cli::command();
    for command in cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        write_command(&mut page, command, &settings);
    }
    page.push_str(SETTINGS);
    let (hidden, shown): (Vec<&Arg>, Vec<&Arg>) =
        settings.iter().partition(|arg| arg.is_hide_set());
    for arg in shown {
        write_setting(&mut page, arg);
    }
    page.push_str(FOR_TESTS);
    for arg in hidden {
        write_setting(&mut page, arg);
    }
    page
}

fn write_command(page: &mut String, command: &Command, settings: &[Arg]) {
    let about = command.get_about().map(ToString::to_string);
    let (name, about) = (command.get_name(), about.unwrap_or_default());
    let _ = write!(page, "\n### `rollover {name}`\n\n{about}.\n");
    let is_setting = |arg: &&Arg| {
        settings
            .iter()
            .any(|setting| setting.get_id() == arg.get_id())
    };
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !is_setting(arg))
        .collect();
    if !own.is_empty() {
        page.push('\n');
    }
    for arg in own {
        let _ = writeln!(page, "- `{}`: {}{}", flag(arg), help(arg), more(arg));
    }
}

/// The values that an option takes, and its default, if it has some.
fn more(arg: &Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let values = arg.get_possible_values();
    let values = values
        .iter()
        .filter(|value| takes_value && !value.is_hide_set());
    let values: Vec<_> = values
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let values = match values.as_slice() {
        [] => String::new(),
        [only] => format!(". It is {only}"),
        several => format!(". One of {}", several.join(", ")),
    };
    let default = if takes_value {
        default(arg)
    } else {
        String::new()
    };
    if default.is_empty() {
        return values;
    }
    format!("{values}.{}", default.trim_end_matches('.'))
}

fn write_setting(page: &mut String, arg: &Arg) {
    let variable = arg.get_env().unwrap_or_default().to_string_lossy();
    let _ = write!(page, "\n### `{}`\n\n{}.\n\n", flag(arg), help(arg));
    let values = arg.get_possible_values();
    for value in values.iter().filter(|value| !value.is_hide_set()) {
        let help = value.get_help().map(|help| format!(": {help}"));
        let _ = writeln!(page, "- `{}`{}", value.get_name(), help.unwrap_or_default());
    }
    if !values.is_empty() {
        page.push('\n');
    }
    let _ = writeln!(page, "Variable: `{variable}`.{}", default(arg));
}

fn flag(arg: &Arg) -> String {
    if arg.is_positional() {
        return arg
            .get_value_names()
            .map(|names| names.join(" "))
            .unwrap_or_default();
    }
    let long = arg.get_long().unwrap_or_default();
    let takes_value = arg.get_action().takes_values();
    let value = arg.get_value_names().filter(|_| takes_value);
    match value.and_then(<[_]>::first) {
        Some(value) => format!("--{long} {value}"),
        None => format!("--{long}"),
    }
}

fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    help.map(ToString::to_string).unwrap_or_default()
}

fn default(arg: &Arg) -> String {
    let values: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    match values.join(",") {
        // The help says what happens then.
        none if none.is_empty() => String::new(),
        value => format!(" Default: `{value}`."),
    }
}

#[test]
fn every_call_of_rollover_in_the_pages_is_one_that_it_takes() {
    let (mut found, mut wrong) = (0, Vec::new());
    for page in pages(&root()) {
        for call in page.calls("rollover") {
            found += 1;
            let words = std::iter::once("rollover".to_owned()).chain(call.clone());
            let refused = Cli::command().try_get_matches_from(words).err();
            if let Some(error) = refused.filter(clap::Error::use_stderr) {
                wrong.push(format!("{}: {call:?}: {error}", page.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 0, "the pages show the commands: {found}");
}

/// Every variable that a page or the stack file names is one that is read.
#[test]
fn every_variable_that_is_named_is_a_setting() {
    let read = variables();
    let stack = std::fs::read_to_string(root().join("stack.yml")).unwrap();
    for line in stack.lines() {
        if let Some((variable, _)) = line.trim().split_once(':')
            && is_ours(variable)
        {
            assert!(
                read.contains(variable),
                "stack.yml: {variable} is no setting"
            );
        }
    }
    // The stack file's own, to be filled in by who deploys it: `${NAME:-…}`.
    let own = stack
        .split("${")
        .skip(1)
        .filter_map(|rest| words(rest).next());
    let own: BTreeSet<&str> = own.collect();
    for page in pages(&root()) {
        for word in words(&page.text).filter(|word| is_ours(word)) {
            // Those of the lab are its own tests' business.
            let known =
                read.contains(word) || own.contains(word) || word.starts_with("ROLLOVER_LAB_");
            assert!(known, "{}: {word} is no setting", page.path.display());
        }
    }
}

/// The variables of all commands, hidden ones too.
fn variables() -> BTreeSet<String> {
    let cli = Cli::command();
    let arguments = cli.get_subcommands().flat_map(Command::get_arguments);
    let variables = arguments.filter_map(Arg::get_env);
    variables
        .map(|variable| variable.to_string_lossy().into_owned())
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
}

fn is_ours(word: &str) -> bool {
    let rest = word.strip_prefix("ROLLOVER_");
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}
