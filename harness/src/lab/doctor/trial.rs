//! What only trying can tell: a container such as a node tries what dockerd and
//! the faults will do, and is gone again.

use std::collections::BTreeMap;

use bollard::models::HostConfig;

use crate::lab::{
    Engine, LabError, Owner,
    engine::this_process,
    error::not_found,
    node::be_a_docker_host,
    once::{run_once, tools},
};

/// What is tried.
#[cfg(test)]
pub(super) const TRIED: [&str; 10] = [
    "mount", "cgroup", "overlay", "bridge", "veth", "vxlan", "iptables", "netem", "fuse", "dockerd",
];

/// Each `try` writes its name, and `ok` or the last thing that was said. All of
/// it happens in namespaces that end with the container.
const SCRIPT: &str = r#"
try() {
    name=$1; shift
    if said=$("$@" 2>&1); then echo "$name ok"; else echo "$name failed: $(echo "$said" | tail -n 1)"; fi
}
for m in $(awk '$2 ~ "^/sys" {print $2}' /proc/mounts); do mount -o remount,bind,rw "$m" 2>/dev/null; done
try mount mount -t tmpfs none /mnt
try cgroup sh -c 'mkdir /sys/fs/cgroup/memory/trial 2>/dev/null || mkdir /sys/fs/cgroup/trial'
try overlay sh -c 'cd /var/lib/docker && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m'
try bridge ip link add trial0 type bridge
try veth ip link add trial1 type veth peer name trial2
try vxlan ip link add trial3 type vxlan id 7 dstport 4789
try iptables sh -c 'iptables -t nat -nL || iptables-legacy -t nat -nL'
try netem tc qdisc add dev lo root netem delay 1ms
try fuse sh -c 'exec 3<>/dev/fuse'
echo "dockerd $(dockerd --version)"
"#;

/// Tries everything; what came of each, by name.
pub(super) async fn run(engine: &Engine) -> Result<BTreeMap<String, String>, String> {
    let owner = owner().map_err(|error| error.to_string())?;
    let mut host_config = HostConfig::default();
    be_a_docker_host(&mut host_config, engine.privileged());
    host_config.network_mode = Some("none".to_owned());
    let said = run_once(engine, &owner, &["sh", "-c", SCRIPT], host_config).await;
    said.map(|said| parse(&said)).map_err(|error| match &error {
        LabError::Docker { source, .. } if not_found(source) => {
            format!("the image {} is not there to try it with", tools())
        }
        LabError::Docker { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    })
}

/// So that one that is killed meanwhile is reaped like a lab.
fn owner() -> Result<Owner, LabError> {
    let process = this_process()?;
    Ok(Owner {
        run: format!("doctor-{}", process.pid),
        process,
        keep: false,
    })
}

fn parse(said: &str) -> BTreeMap<String, String> {
    let pairs = said.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, outcome)| (name.to_owned(), outcome.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_tries_what_is_known() {
        let tried = SCRIPT.lines().filter_map(|line| line.strip_prefix("try "));
        let mut names: Vec<_> = tried.filter_map(|line| line.split(' ').next()).collect();
        names.push("dockerd");
        assert_eq!(names, TRIED);
    }

    #[test]
    fn an_outcome_is_read_with_its_reason() {
        let read = parse("fuse ok\nnetem failed: Error: Specified qdisc kind is unknown.\n");
        assert_eq!(read["fuse"], "ok");
        assert_eq!(
            read["netem"],
            "failed: Error: Specified qdisc kind is unknown."
        );
    }
}
