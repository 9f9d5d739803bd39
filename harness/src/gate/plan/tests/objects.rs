//! Networks, volumes, secrets and configs.

use super::super::Fate;
use super::{beside, planned};

const OLD: &str = "
services:
  web: {image: a, networks: [kept, same, gone]}
  lone: {image: a}
networks: {kept: , same: {driver: overlay}, gone: , other: }
volumes: {kept: , gone: , outside: {external: true}}
";
const NEW: &str = "
services:
  web: {image: a, networks: [kept, same, added, outside]}
  lone: {image: a}
networks: {kept: {internal: true}, same: {driver: overlay}, added: , outside: {external: true}}
volumes: {kept: {driver: other}, added: }
";

#[test]
fn what_a_deploy_leaves_makes_and_does_not_change_is_told_apart() {
    let planned = planned(OLD, NEW);
    let all = [&planned.networks, &planned.volumes];
    let told = all.into_iter().flatten().map(ToString::to_string);
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
    network kept: kept as it is: what the file declares otherwise is not done
    network same: unchanged
    network added: created
    network outside: expected to be there before the deploy
    network default: unchanged
    network gone: left as it is, for a deploy removes none
    volume kept: kept as it is: what the file declares otherwise is not done
    volume added: created on each node where a task first wants it
    volume gone: left as it is, for a deploy removes none
    ");
}

/// What becomes of a secret whose file is changed like that between two deploys.
fn secret(old: (&str, Option<&str>), new: (&str, Option<&str>)) -> Fate {
    let scratch = tempfile::tempdir().unwrap();
    let stack = |(name, (settings, content)): (&str, (&str, Option<&str>))| {
        if let Some(content) = content {
            std::fs::write(scratch.path().join(name), content).unwrap();
        }
        let service = "services: {web: {image: a, secrets: [key]}}";
        format!("{service}\nsecrets: {{key: {{file: {name}{settings}}}}}\n")
    };
    let (old, new) = (stack(("old.txt", old)), stack(("new.txt", new)));
    let planned = beside(scratch.path(), &old, &new);
    assert_eq!(planned.can_work(), !planned.secrets[0].fate.is_refused());
    planned.secrets[0].fate
}

#[test]
fn a_secret_is_compared_by_its_content() {
    let named = ", name: key-2";
    let labelled = ", labels: {a: b}";
    assert_eq!(secret(("", Some("a")), ("", Some("a"))), Fate::Unchanged);
    assert_eq!(secret(("", Some("a")), ("", Some("b"))), Fate::Refused);
    assert_eq!(secret(("", Some("a")), (named, Some("b"))), Fate::Created);
    assert_eq!(
        secret(("", Some("a")), (labelled, Some("a"))),
        Fate::Labelled
    );
    assert_eq!(secret(("", Some("a")), ("", None)), Fate::Unreadable);
    assert_eq!(secret(("", None), ("", Some("a"))), Fate::NotKnown);
}

/// Ports, by service; what cannot work.
fn ports(old: &str, new: &str) -> String {
    let planned = planned(&format!("services: {old}"), &format!("services: {new}"));
    planned.cannot_work.join("\n")
}

#[test]
fn a_port_that_another_service_has_is_refused() {
    let one = "{image: a, ports: ['80:80']}";
    let host = "{image: a, ports: [{target: 80, published: 80, mode: host}]}";
    let none = "{image: a}";
    insta::assert_snapshot!([
        ports(&format!("{{a: {one}}}"), &format!("{{a: {one}, b: {one}}}")),
        ports(&format!("{{a: {one}, b: {none}}}"), &format!("{{a: {none}, b: {one}}}")),
        ports(&format!("{{a: {one}}}"), &format!("{{b: {host}}}")),
    ].join("\n"), @r"
    service b: port 80/tcp is published by a too
    service b: port 80/tcp is given up by a in the same deploy, which updates services in no certain order: it fails if b comes first
    service b: port 80/tcp is published by a, which is left as it is
    ");
    for (old, new) in [(one, one), (host, host), (none, one)] {
        let (old, new) = (format!("{{a: {old}}}"), format!("{{a: {new}}}"));
        assert_eq!(ports(&old, &new), "");
    }
    let two = format!("{{a: {host}, b: {host}}}");
    assert_eq!(ports(&two, &two), "");
}
