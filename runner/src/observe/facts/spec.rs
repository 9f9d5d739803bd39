//! What a service's specification and its image say. Docker's own defaults are
//! filled in, those of `docker service create`.

use std::time::Duration;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigPublishModeEnum, HealthConfig, ImageConfig,
    Mount as WireMount, MountType, ServiceSpec, ServiceSpecUpdateConfig,
    ServiceSpecUpdateConfigFailureActionEnum, ServiceSpecUpdateConfigOrderEnum,
    TaskSpecContainerSpec,
};

use crate::preflight::defaults::{STOP_GRACE, STOP_SIGNAL};
use crate::preflight::{Facts, Failure, HealthCheck, Kept, Mount, Order, Replicas, Update};

/// What `spec` says, and `image` where the specification leaves it to that.
pub(super) fn facts(spec: &ServiceSpec, image: Option<&ImageConfig>) -> Facts {
    let template = spec.task_template.clone().unwrap_or_default();
    let container = template.container_spec.unwrap_or_default();
    let placement = template.placement.unwrap_or_default();
    let images = image.map(|image| image.healthcheck.as_ref());
    Facts {
        service: spec.name.clone().unwrap_or_default(),
        replicas: replicas(spec),
        update: Some(update(spec.update_config.as_ref())),
        health_check: health_check(container.health_check.as_ref(), images),
        stop_signal: stop_signal(&container, image),
        stop_grace: Some(
            container
                .stop_grace_period
                .map_or(STOP_GRACE, from_nanoseconds),
        ),
        host_ports: Some(host_ports(spec)),
        constraints: Some(placement.constraints.unwrap_or_default()),
        command: command(&container, image),
        mounts: Some(mounts(&container)),
        ..Facts::default()
    }
}

fn replicas(spec: &ServiceSpec) -> Option<Replicas> {
    let mode = spec.mode.as_ref()?;
    if mode.global.is_some() {
        return Some(Replicas::Global);
    }
    let number = mode.replicated.as_ref()?.replicas.unwrap_or(1);
    Some(Replicas::Replicated(number.unsigned_abs()))
}

fn update(config: Option<&ServiceSpecUpdateConfig>) -> Update {
    let Some(config) = config else {
        return Update::default();
    };
    Update {
        parallelism: config.parallelism.unwrap_or(0).unsigned_abs(),
        order: match config.order {
            Some(ServiceSpecUpdateConfigOrderEnum::START_FIRST) => Order::StartFirst,
            _ => Order::StopFirst,
        },
        failure: match config.failure_action {
            Some(ServiceSpecUpdateConfigFailureActionEnum::ROLLBACK) => Failure::Rollback,
            Some(ServiceSpecUpdateConfigFailureActionEnum::CONTINUE) => Failure::Continue,
            _ => Failure::Pause,
        },
        monitor: Update::watched_for(set(config.monitor).map(from_nanoseconds)),
    }
}

/// The engine writes 0 where nothing is set.
fn set(value: Option<i64>) -> Option<i64> {
    value.filter(|&value| value > 0)
}

/// As the engine merges them: the service's own, and for each part that it does
/// not set the image's, and then the default. `image`: `None` when the image is
/// not known, `Some(None)` when it has none.
fn health_check(
    own: Option<&HealthConfig>,
    image: Option<Option<&HealthConfig>>,
) -> Option<HealthCheck> {
    let test = |config: &HealthConfig| config.test.clone().filter(|test| !test.is_empty());
    let test = match own.and_then(test) {
        Some(test) => test,
        None => match image?.and_then(test) {
            Some(test) => test,
            None => return Some(HealthCheck::Absent),
        },
    };
    if test.first().is_some_and(|first| first == "NONE") {
        return Some(HealthCheck::Absent);
    }
    let image = image.flatten();
    let part = |part: fn(&HealthConfig) -> Option<i64>| {
        let part = |config| set(part(config));
        own.and_then(part).or_else(|| image.and_then(part))
    };
    Some(HealthCheck::with(
        part(|it| it.interval).map(from_nanoseconds),
        part(|it| it.timeout).map(from_nanoseconds),
        part(|it| it.retries).and_then(|retries| u32::try_from(retries).ok()),
        part(|it| it.start_period).map(from_nanoseconds),
    ))
}

/// The health check of a container, into which service and image are merged
/// already.
pub(crate) fn merged_health_check(config: Option<&HealthConfig>) -> HealthCheck {
    health_check(config, Some(None)).unwrap_or(HealthCheck::Absent)
}

fn stop_signal(container: &TaskSpecContainerSpec, image: Option<&ImageConfig>) -> Option<String> {
    let set = |signal: &Option<String>| signal.clone().filter(|signal| !signal.is_empty());
    set(&container.stop_signal).or_else(|| {
        let image = image?;
        Some(set(&image.stop_signal).unwrap_or_else(|| STOP_SIGNAL.to_owned()))
    })
}

/// A service's command takes the place of the image's entry point and command,
/// its arguments that of the command alone.
fn command(container: &TaskSpecContainerSpec, image: Option<&ImageConfig>) -> Option<Vec<String>> {
    let set = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let arguments = set(&container.args);
    if let Some(mut command) = set(&container.command) {
        command.extend(arguments.into_iter().flatten());
        return Some(command);
    }
    let image = image?;
    let mut command = image.entrypoint.clone().unwrap_or_default();
    command.extend(arguments.or_else(|| image.cmd.clone()).unwrap_or_default());
    Some(command)
}

fn host_ports(spec: &ServiceSpec) -> Vec<u16> {
    // One that swarm draws is free on every node at any time.
    let published = in_host_mode(spec).filter_map(|port| u16::try_from(port.published_port?).ok());
    published.filter(|&port| port != 0).collect()
}

/// Whether the replicas' own `port` is published in mode `host`.
pub(super) fn is_host_port(spec: &ServiceSpec, port: u16) -> bool {
    in_host_mode(spec).any(|published| published.target_port == Some(port.into()))
}

fn in_host_mode(spec: &ServiceSpec) -> impl Iterator<Item = &EndpointPortConfig> {
    let ports = spec.endpoint_spec.as_ref();
    let ports = ports.and_then(|endpoint| endpoint.ports.as_ref());
    let ports = ports.into_iter().flatten();
    ports.filter(|port| port.publish_mode == Some(EndpointPortConfigPublishModeEnum::HOST))
}

fn mounts(container: &TaskSpecContainerSpec) -> Vec<Mount> {
    let mounts = container.mounts.iter().flatten().map(mount);
    let secrets = container.secrets.iter().flatten().filter_map(|secret| {
        let file = secret.file.as_ref()?.name.as_ref()?;
        Some(Mount::secret(
            secret.secret_name.as_deref().unwrap_or(file),
            file,
        ))
    });
    let configs = container.configs.iter().flatten().filter_map(|config| {
        let file = config.file.as_ref()?.name.as_ref()?;
        Some(Mount::config(
            config.config_name.as_deref().unwrap_or(file),
            file,
        ))
    });
    mounts.chain(secrets).chain(configs).collect()
}

fn mount(mount: &WireMount) -> Mount {
    let name = mount.source.as_deref().filter(|source| !source.is_empty());
    let source = name.unwrap_or("without a name");
    let target = mount.target.as_deref().unwrap_or_default();
    match mount.typ {
        Some(MountType::BIND) => Mount::bind(source, target),
        Some(MountType::VOLUME) => Mount::volume(name, target, kept_by(mount)),
        Some(MountType::CLUSTER) => Mount::volume(name, target, Kept::Everywhere),
        Some(MountType::TMPFS) => Mount::tmpfs(target),
        _ => Mount::other(source, target),
    }
}

/// Without a driver the volume may have been made by hand, as anything.
fn kept_by(mount: &WireMount) -> Kept {
    let options = mount.volume_options.as_ref();
    let Some(driver) = options.and_then(|options| options.driver_config.as_ref()) else {
        return Kept::Unclear;
    };
    let kind = driver.options.as_ref().and_then(|it| it.get("type"));
    Kept::by_driver(
        driver.name.as_deref().unwrap_or_default(),
        kind.map(String::as_str),
    )
}

fn from_nanoseconds(nanoseconds: i64) -> Duration {
    Duration::from_nanos(nanoseconds.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(container: &serde_json::Value, update: &serde_json::Value) -> ServiceSpec {
        let spec = json!({
            "Name": "web",
            "Mode": {"Replicated": {"Replicas": 3}},
            "TaskTemplate": {"ContainerSpec": container},
            "UpdateConfig": update,
        });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn what_is_not_set_is_what_docker_takes() {
        let facts = facts(&spec(&json!({"Image": "nginx"}), &json!(null)), None);
        let update = facts.update.unwrap();
        assert_eq!((update.parallelism, update.order), (1, Order::StopFirst));
        assert_eq!(
            (update.monitor.as_secs(), update.failure),
            (5, Failure::Pause)
        );
        assert_eq!(facts.stop_grace, Some(STOP_GRACE));
        assert_eq!(facts.replicas, Some(Replicas::Replicated(3)));
    }

    #[test]
    fn what_the_image_decides_is_not_known_without_it() {
        let spec = spec(&json!({"Image": "nginx"}), &json!(null));
        let unknown = facts(&spec, None);
        assert_eq!(unknown.stop_signal, None);
        assert_eq!(unknown.health_check, None);
        assert_eq!(unknown.command, None);
        let image = ImageConfig {
            cmd: Some(vec!["nginx".to_owned()]),
            ..ImageConfig::default()
        };
        let known = facts(&spec, Some(&image));
        assert_eq!(known.stop_signal.as_deref(), Some(STOP_SIGNAL));
        assert_eq!(known.health_check, Some(HealthCheck::Absent));
        assert_eq!(known.command, Some(vec!["nginx".to_owned()]));
    }

    #[test]
    fn a_health_check_is_merged_part_by_part() {
        let second = 1_000_000_000;
        let image = HealthConfig {
            test: Some(vec!["CMD".to_owned(), "check".to_owned()]),
            interval: Some(7 * second),
            start_period: Some(20 * second),
            ..HealthConfig::default()
        };
        let own = HealthConfig {
            timeout: Some(2 * second),
            ..HealthConfig::default()
        };
        let expected = HealthCheck::Present {
            interval: Duration::from_secs(7),
            timeout: Duration::from_secs(2),
            retries: 3,
            start_period: Duration::from_secs(20),
        };
        assert_eq!(
            expected.time_to_fail(),
            Duration::from_secs(20 + 3 * (7 + 2))
        );
        assert_eq!(health_check(Some(&own), Some(Some(&image))), Some(expected));
        let none = HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        };
        let absent = Some(HealthCheck::Absent);
        assert_eq!(health_check(Some(&none), Some(Some(&image))), absent);
        assert_eq!(health_check(Some(&own), None), None);
    }

    #[test]
    fn mounts_are_told_apart_by_where_their_content_is() {
        let container = json!({
            "Mounts": [
                {"Type": "bind", "Source": "/mnt/a", "Target": "/a"},
                {"Type": "volume", "Source": "b", "Target": "/b"},
                {"Type": "volume", "Source": "c", "Target": "/c",
                 "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "nfs"}}}},
                {"Type": "volume", "Source": "d", "Target": "/d",
                 "VolumeOptions": {"DriverConfig": {"Name": "local"}}},
                {"Type": "volume", "Target": "/f"},
            ],
            "Secrets": [{"SecretName": "key", "File": {"Name": "e"}}],
        });
        let mounts = mounts(&serde_json::from_value(container).unwrap());
        let told = mounts.iter().map(|mount| {
            let Mount { target, what, kept } = mount;
            format!("{}: {what}, {kept:?}", target.display())
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
        /a: the host's directory /mnt/a, Unclear
        /b: the volume b, Unclear
        /c: the volume c, Everywhere
        /d: the volume d, OnTheNode
        /f: a volume without a name, OnTheNode
        /run/secrets/e: the secret key, Everywhere
        ");
    }
}
