//! The whole plan.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::convert::Around;
use super::object::{ObjectPlan, objects};
use super::outcome::Outcome;
use super::ports::refused_ports;
use super::service::{ServicePlan, WrongIn};
use crate::gate::stack::{Entry, Stack, StackError, UnsetVariable, Variables, Wrong, text_of};

/// What the deploy of a stack file over another one does.
#[derive(Debug, Serialize)]
pub struct Planned {
    /// Each service, in the order of the new file; then those that only the old one
    /// has.
    pub services: Vec<ServicePlan>,
    /// Each network.
    pub networks: Vec<ObjectPlan>,
    /// Each volume.
    pub volumes: Vec<ObjectPlan>,
    /// Each secret.
    pub secrets: Vec<ObjectPlan>,
    /// Each config.
    pub configs: Vec<ObjectPlan>,
    /// What keeps the deploy from working, or may.
    pub cannot_work: Vec<String>,
    /// What no file tells.
    pub not_known: Vec<String>,
    /// Variables without a value and without a default: empty text is taken.
    pub unset: Vec<UnsetVariable>,
}

impl Planned {
    /// Whether all of it can work.
    #[must_use]
    pub fn can_work(&self) -> bool {
        self.cannot_work.is_empty()
    }

    /// The services of which that becomes.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> Vec<&str> {
        let services = self.services.iter().filter(|it| it.outcome == outcome);
        services.map(|it| it.name.as_str()).collect()
    }
}

/// A stack file, with where it lies.
pub(super) struct File {
    name: String,
    directory: PathBuf,
    stack: Stack,
}

/// Compares two stack files. `variables` gives the value of a variable that is set.
///
/// # Errors
/// When one of them cannot be read, or is none that `docker stack deploy` would
/// take, as far as it is looked at. What cannot work is no error.
pub fn plan(
    old: &Path,
    new: &Path,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Planned, StackError> {
    let (old, unset) = File::read(old, variables)?;
    let (new, more) = File::read(new, variables)?;
    let mut planned = compared(&old, &new, variables).map_err(|wrong| match wrong {
        WrongIn::Old(wrong) => StackError::of(&old.name, wrong),
        WrongIn::New(wrong) => StackError::of(&new.name, wrong),
    })?;
    let seen = |name: &str| unset.iter().any(|it| it.name == name);
    let more: Vec<_> = more.into_iter().filter(|it| !seen(&it.name)).collect();
    planned.unset = [unset, more].concat();
    Ok(planned)
}

pub(super) fn compared(
    old: &File,
    new: &File,
    variables: Variables<'_>,
) -> Result<Planned, WrongIn> {
    let (old, new) = (old.around(variables), new.around(variables));
    let mut planned = Planned {
        services: services(&old, &new)?,
        networks: objects("networks", &old, &new)?,
        volumes: objects("volumes", &old, &new)?,
        secrets: objects("secrets", &old, &new)?,
        configs: objects("configs", &old, &new)?,
        cannot_work: refused_ports(&old, &new)?,
        not_known: Vec::new(),
        unset: Vec::new(),
    };
    planned.say_what_cannot_work();
    planned.say_what_is_not_known(&new).map_err(WrongIn::New)?;
    Ok(planned)
}

fn services(old: &Around<'_>, new: &Around<'_>) -> Result<Vec<ServicePlan>, WrongIn> {
    let before = old.stack.services().map_err(WrongIn::Old)?;
    let after = new.stack.services().map_err(WrongIn::New)?;
    let mut services = Vec::new();
    for service in after {
        services.push(match before.iter().find(|it| it.key == service.key) {
            Some(earlier) => ServicePlan::changed((old, earlier), (new, service))?,
            None => ServicePlan::created(new, service).map_err(WrongIn::New)?,
        });
    }
    let gone = |it: &&Entry| after.iter().all(|service| service.key != it.key);
    let left = before.iter().filter(gone);
    services.extend(left.map(|it| ServicePlan::bare(&it.key, Outcome::Left)));
    Ok(services)
}

impl Planned {
    fn say_what_cannot_work(&mut self) {
        let services = self.services.iter().filter_map(|service| {
            let changes = service.changes.iter();
            let refused = changes.filter(|it| it.does == super::Effect::Refused);
            let fields: Vec<_> = refused.map(ToString::to_string).collect();
            let (name, fields) = (&service.name, fields.join(", "));
            (service.outcome == Outcome::Refused).then(|| format!("service {name}: {fields}"))
        });
        let sections = [&self.networks, &self.volumes, &self.secrets, &self.configs];
        let objects = sections.into_iter().flatten();
        let objects = objects.filter(|it| it.fate.is_refused());
        let objects = objects.map(ToString::to_string);
        let all: Vec<_> = services.chain(objects).collect();
        self.cannot_work.extend(all);
    }

    fn say_what_is_not_known(&mut self, new: &Around<'_>) -> Result<(), Wrong> {
        let standing = |name: &str| {
            let mut services = self.services.iter();
            services.any(|it| it.name == name && it.outcome != Outcome::Created)
        };
        let mut by_tag = Vec::new();
        for service in new.stack.services()? {
            let image = service.node.text_at("image")?.unwrap_or_default();
            if standing(&service.key) && !image.contains('@') {
                by_tag.push(service.key.as_str());
            }
        }
        if !by_tag.is_empty() {
            let services = by_tag.join(", ");
            self.not_known.push(format!(
                "whether a tag leads to another image than at the last deploy, which restarts \
                 what uses it ({services}): a deploy asks the registry again, unless \
                 --resolve-image never is said"
            ));
        }
        let beside = "what was changed in the swarm beside the old file: a deploy sets it back";
        self.not_known.push(beside.to_owned());
        Ok(())
    }
}

impl File {
    fn read(
        file: &Path,
        variables: Variables<'_>,
    ) -> Result<(Self, Vec<UnsetVariable>), StackError> {
        let name = file.display().to_string();
        let text = text_of(file)?;
        let directory = file.parent().unwrap_or(Path::new(""));
        Self::of(&name, directory, &text, variables)
    }

    /// The same of a text.
    pub(super) fn of(
        name: &str,
        directory: &Path,
        text: &str,
        variables: Variables<'_>,
    ) -> Result<(Self, Vec<UnsetVariable>), StackError> {
        let read = Stack::read(name, text, variables);
        let (stack, unset) = read.map_err(|wrong| StackError::of(name, wrong))?;
        let file = Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            stack,
        };
        Ok((file, unset))
    }

    pub(super) fn around<'a>(&'a self, variables: Variables<'a>) -> Around<'a> {
        Around {
            file: &self.name,
            directory: &self.directory,
            stack: &self.stack,
            variables,
        }
    }
}
