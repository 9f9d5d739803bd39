//! The labels by which a service asks for certificates.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use super::{
    CertificateName, CertificateSpec, Challenge, DomainName, KeyAlgorithm, Ordering, Pace,
    ProbePort, PublicAddress, Strategy, Tell, Window, parse_duration,
};

/// A label that does not parse. It takes its own certificate or service out;
/// everything else goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error(
    "service {service}: label {label}={value:?}: expected {expected}; everything \
     else goes on"
)]
pub(crate) struct LabelError {
    pub(crate) service: String,
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) expected: String,
}

/// What the labels of one service say.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) certificates: Vec<CertificateSpec>,
    pub(crate) strategy: Strategy,
    pub(crate) other_strategies: Vec<Strategy>,
    pub(crate) probe: ProbePort,
    pub(crate) public: Option<PublicAddress>,
    pub(crate) window: Option<Window>,
}

const ENABLE: &str = "rollover.enable";
const DOMAINS: &str = "rollover.domains";
pub(crate) const CHALLENGE: &str = "rollover.challenge";
/// Where swarm mounts secrets, unless a reference says otherwise.
const SECRETS: &str = "/run/secrets";
/// Every label that has a meaning now, for telling a slip of the pen.
const KNOWN: &[&str] = &[
    ENABLE,
    DOMAINS,
    "rollover.strategy",
    "rollover.signal",
    "rollover.exec",
    "rollover.test",
    "rollover.path",
    "rollover.key",
    "rollover.profile",
    CHALLENGE,
    "rollover.probe",
    "rollover.public",
    "rollover.window",
    "rollover.delay",
    "rollover.parallelism",
];

/// Reads the labels of `service`. `Ok(None)`: the service is not a target.
/// Errors are collected beside what could be read; `None` with errors means
/// that nothing of the service can be used.
pub(crate) fn parse_target(
    service: &str,
    labels: &HashMap<String, String>,
) -> (Option<Labels>, Vec<LabelError>) {
    let mut reader = Reader {
        service,
        labels,
        errors: Vec::new(),
    };
    let labels = reader.read();
    (labels, reader.errors)
}

struct Reader<'a> {
    service: &'a str,
    labels: &'a HashMap<String, String>,
    errors: Vec<LabelError>,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<Labels> {
        match self.labels.get(ENABLE).map(|value| value.trim()) {
            Some("true") => {}
            None | Some("false" | "") => return None,
            Some(value) => {
                self.wrong(ENABLE, value, "true or false");
                return None;
            }
        }
        self.report_unknown();
        let certificates = self.certificates();
        // Everything below concerns the service as a whole: one that cannot
        // be rolled out rightly is not rolled out at all.
        let before = self.errors.len();
        let probe = self.parse(
            "rollover.probe",
            "443",
            "a TCP port, such as 443, and perhaps /h2 or /proxy after it",
            |v| v.parse::<ProbePort>().ok(),
        );
        let public = self.public();
        let window = self.window();
        let strategies = self.strategies();
        if self.errors.len() > before || certificates.is_empty() {
            return None;
        }
        let (strategy, other_strategies) = strategies?;
        Some(Labels {
            certificates,
            strategy,
            other_strategies,
            probe: probe?,
            public,
            window,
        })
    }

    /// Absent or empty: no such address.
    fn public(&mut self) -> Option<PublicAddress> {
        self.given("rollover.public")?;
        let expected = "a host and a port, such as www.example.org:443";
        self.parse("rollover.public", "", expected, |v| v.parse().ok())
    }

    /// Absent or empty: at any time.
    fn window(&mut self) -> Option<Window> {
        let value = self.given("rollover.window")?;
        match Window::parse(&value) {
            Ok(window) => Some(window),
            Err(error) => {
                let expected = format!(
                    "cron;duration[;time zone], such as \"0 2 * * *;3h;Europe/Berlin\"; {error}"
                );
                self.wrong("rollover.window", &value, &expected);
                None
            }
        }
    }

    /// The value of a label, if it has one.
    fn given(&self, label: &str) -> Option<String> {
        let value = self.labels.get(label)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The one that is chosen, and the others.
    fn strategies(&mut self) -> Option<(Strategy, Vec<Strategy>)> {
        let kind = self.parse(
            "rollover.strategy",
            "signal",
            "signal, restart or secret",
            |value| {
                ["signal", "restart", "secret"]
                    .into_iter()
                    .find(|&kind| kind == value)
            },
        );
        // All of them are read, whichever applies: a wrong value should not
        // wait for a change of strategy to be noticed.
        let tell = self.tell();
        let test = self.parse(
            "rollover.test",
            "nginx -t",
            "a command, such as nginx -t",
            shlex::split,
        );
        let delay = self.parse(
            "rollover.delay",
            "30s",
            "a duration, such as 30s or 1m30s",
            |v| parse_duration(v).ok(),
        );
        let parallelism = self.parse(
            "rollover.parallelism",
            "1",
            "a number of replicas, 1 or more",
            |v| v.parse::<u64>().ok().filter(|&number| number > 0),
        );
        let pace = Pace {
            parallelism: parallelism?,
            delay: delay?,
        };
        let mut strategies = vec![
            Strategy::Signal {
                tell: tell?,
                test: test?,
            },
            Strategy::Restart(pace.clone()),
            Strategy::Secret(pace),
        ];
        let kind = kind?;
        let chosen = strategies.iter().position(|it| it.name() == kind)?;
        Some((strategies.remove(chosen), strategies))
    }

    /// A command takes the place of the signal.
    fn tell(&mut self) -> Option<Tell> {
        let signal = self.parse(
            "rollover.signal",
            "HUP",
            "a signal's name, such as HUP",
            |v| {
                let name = v.trim_start_matches("SIG");
                let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
                (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
            },
        );
        let command = self.parse(
            "rollover.exec",
            "",
            "a command, such as service reload",
            shlex::split,
        );
        if let (Some(value), true) = (
            self.labels.get("rollover.exec"),
            self.labels.contains_key("rollover.signal"),
        ) {
            let value = value.clone();
            self.wrong(
                "rollover.exec",
                &value,
                "no rollover.signal beside it: it is one or the other",
            );
            return None;
        }
        match command? {
            command if command.is_empty() => signal.map(Tell::Signal),
            command => Some(Tell::Exec(command)),
        }
    }

    fn certificates(&mut self) -> Vec<CertificateSpec> {
        let named: BTreeMap<String, String> = self
            .labels
            .iter()
            .filter(|(label, _)| is_domains(label))
            .map(|(label, value)| (label.clone(), value.clone()))
            .collect();
        if named.is_empty() {
            self.wrong(
                DOMAINS,
                "",
                "a comma list of domain names, as the label is missing",
            );
        }
        let mut certificates: Vec<CertificateSpec> = Vec::new();
        let mut names = BTreeSet::new();
        let (mut paths, mut places) = (BTreeSet::new(), BTreeSet::new());
        let by_secret = self.is_by_secret();
        for (label, value) in &named {
            for certificate in self.each(label, value).unwrap_or_default() {
                if !names.insert(certificate.name.clone()) {
                    let expected = "a first domain that no other label of the service begins with";
                    self.wrong(label, value, expected);
                    continue;
                }
                // Secrets can share no path, and the two of a dual pair cannot.
                let place = (certificate.path.clone(), certificate.domains.clone());
                let free = paths.insert(certificate.path.clone());
                if !places.insert(place) || (by_secret && !free) {
                    let path = certificate.path.display().to_string();
                    let expected = "a path with NAME in it, as neither secrets nor the two of a \
                                    dual pair can share one";
                    self.wrong("rollover.path", &path, expected);
                    continue;
                }
                certificates.push(certificate);
            }
        }
        certificates
    }

    fn is_by_secret(&self) -> bool {
        let strategy = self.labels.get("rollover.strategy");
        strategy.is_some_and(|value| value.trim() == "secret")
    }

    /// The certificates for the names of one label: one for each kind of key.
    fn each(&mut self, label: &str, value: &str) -> Option<Vec<CertificateSpec>> {
        let domains = self.domains(label, value)?;
        let keys = self.parse(
            "rollover.key",
            "ecdsa",
            "ecdsa, ecdsa384, rsa2048 or rsa4096, or one ECDSA and one RSA of them, such as \
             ecdsa,rsa2048",
            KeyAlgorithm::parse_list,
        )?;
        let profile = self.given("rollover.profile");
        let challenge = self.challenge(label, value, &domains)?;
        let name = CertificateName::of(domains.first()?);
        let each = name.each(&keys).into_iter().map(|(name, key)| {
            Some(CertificateSpec {
                path: self.path(&name)?,
                name,
                domains: domains.clone(),
                ordering: Ordering {
                    key,
                    profile: profile.clone(),
                    challenge,
                },
            })
        });
        each.collect()
    }

    /// By what the names of a label are proved, if they can be.
    fn challenge(&mut self, label: &str, value: &str, domains: &[DomainName]) -> Option<Challenge> {
        let challenge = self.parse(CHALLENGE, "http-01", "http-01 or dns-01", |value| {
            value.parse::<Challenge>().ok()
        })?;
        let (http, dns) = (Challenge::Http01, Challenge::Dns01);
        let expected = match challenge {
            Challenge::Http01 => {
                let wildcard = domains.iter().find(|domain| domain.is_wildcard());
                wildcard.map(|wildcard| {
                    format!(
                        "names that {http} can prove, and an authority gives {wildcard} by {dns} \
                         only; set {CHALLENGE}={dns} (docs/dns.md), or list each host"
                    )
                })
            }
            Challenge::Dns01 => {
                let address = domains.iter().find_map(DomainName::ip);
                address.map(|address| {
                    format!(
                        "names that {dns} can prove, and an authority gives {address} by {http} \
                         only; give it a service or a list of its own"
                    )
                })
            }
        };
        match expected {
            Some(expected) => {
                self.wrong(label, value, &expected);
                None
            }
            None => Some(challenge),
        }
    }

    fn domains(&mut self, label: &str, value: &str) -> Option<Vec<DomainName>> {
        let mut domains = Vec::new();
        for part in value.split(',') {
            match DomainName::parse(part) {
                Ok(domain) => domains.push(domain),
                Err(error) => {
                    let expected = format!("a comma list of domain names; {error}");
                    self.wrong(label, value, &expected);
                    return None;
                }
            }
        }
        Some(domains)
    }

    fn path(&mut self, name: &CertificateName) -> Option<PathBuf> {
        let directory = if self.is_by_secret() {
            SECRETS
        } else {
            "/etc/letsencrypt/live"
        };
        let default = format!("{directory}/{name}/fullchain.pem");
        self.parse(
            "rollover.path",
            &default,
            "the absolute path of the chain inside the replica",
            |v| Some(PathBuf::from(v.replace("NAME", name.as_str()))).filter(|p| p.is_absolute()),
        )
    }

    fn parse<T>(
        &mut self,
        label: &str,
        default: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.labels.get(label).map(|value| value.trim());
        let value = given.unwrap_or(default);
        let parsed = read(value);
        if parsed.is_none() {
            self.wrong(label, value, expected);
        }
        parsed
    }

    fn report_unknown(&mut self) {
        let mut unknown: Vec<&String> = self
            .labels
            .keys()
            .filter(|label| label.starts_with("rollover."))
            .filter(|label| !KNOWN.contains(&label.as_str()) && !is_domains(label))
            .collect();
        unknown.sort_unstable();
        for label in unknown {
            let known = KNOWN.join(", ");
            let value = self.labels.get(label).cloned().unwrap_or_default();
            self.wrong(label, &value, &format!("one of the labels {known}"));
        }
    }

    fn wrong(&mut self, label: &str, value: &str, expected: &str) {
        self.errors.push(LabelError {
            service: self.service.to_owned(),
            label: label.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        });
    }
}

fn is_domains(label: &str) -> bool {
    label == DOMAINS || label.starts_with("rollover.domains.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(pairs: &[(&str, &str)]) -> (Option<Labels>, Vec<String>) {
        let labels = pairs
            .iter()
            .map(|&(label, value)| (label.to_owned(), value.to_owned()))
            .collect();
        let (parsed, errors) = parse_target("web", &labels);
        (parsed, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_page_has_every_label_and_no_other() {
        let page = include_str!("../../../docs/labels.md");
        let rows = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let told: Vec<&str> = rows.collect();
        let named = format!("{DOMAINS}.NAME");
        for label in KNOWN.iter().copied().chain([named.as_str()]) {
            assert!(told.contains(&label), "docs/labels.md lacks {label}");
        }
        for label in told {
            assert!(
                KNOWN.contains(&label) || is_domains(label),
                "{label} has no meaning"
            );
        }
    }

    #[test]
    fn a_service_that_does_not_ask_is_no_target() {
        for labels in [&[][..], &[("rollover.enable", "false")], &[("other", "x")]] {
            let (parsed, errors) = parse(labels);
            assert!(parsed.is_none() && errors.is_empty());
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let (parsed, errors) = parse(&[
            ("rollover.enable", "true"),
            ("rollover.domains", "example.org, www.example.org"),
        ]);
        let labels = parsed.unwrap();
        assert_eq!(errors, [""; 0]);
        assert_eq!(labels.probe, "443".parse().unwrap());
        assert!(labels.public.is_none() && labels.window.is_none());
        assert_eq!(
            labels.strategy,
            Strategy::Signal {
                tell: Tell::Signal("HUP".into()),
                test: vec!["nginx".into(), "-t".into()]
            }
        );
        let certificate = &labels.certificates[0];
        assert_eq!(certificate.name.as_str(), "example.org");
        assert_eq!(certificate.domains.len(), 2);
        assert_eq!(
            certificate.path,
            PathBuf::from("/etc/letsencrypt/live/example.org/fullchain.pem")
        );
    }

    #[test]
    fn a_command_takes_the_place_of_the_signal_and_may_have_quotes() {
        let asked = [
            ("rollover.enable", "true"),
            ("rollover.domains", "example.org"),
            ("rollover.exec", "sh -c 'kill -USR2 1'"),
            ("rollover.test", ""),
        ];
        let Strategy::Signal { tell, test } = parse(&asked).0.unwrap().strategy else {
            panic!("signal is the default");
        };
        let command = ["sh", "-c", "kill -USR2 1"].map(str::to_owned);
        assert_eq!(tell, Tell::Exec(command.into()));
        assert!(test.is_empty());

        let both = [&asked[..], &[("rollover.signal", "USR2")]].concat();
        let (parsed, errors) = parse(&both);
        assert!(parsed.is_none());
        insta::assert_snapshot!(errors[0], @r#"service web: label rollover.exec="sh -c 'kill -USR2 1'": expected no rollover.signal beside it: it is one or the other; everything else goes on"#);
    }

    #[test]
    fn restart_takes_its_own_labels() {
        let (parsed, _) = parse(&[
            ("rollover.enable", "true"),
            ("rollover.domains", "example.org"),
            ("rollover.strategy", "restart"),
            ("rollover.delay", "1m30s"),
            ("rollover.parallelism", "2"),
        ]);
        assert_eq!(
            parsed.unwrap().strategy,
            Strategy::Restart(Pace {
                parallelism: 2,
                delay: Duration::from_secs(90)
            })
        );
    }

    #[test]
    fn secrets_stand_where_swarm_mounts_them() {
        let secret = |more: &[(&str, &str)]| {
            let own = [
                ("rollover.enable", "true"),
                ("rollover.domains", "example.org"),
                ("rollover.strategy", "secret"),
            ];
            parse(&[&own, more].concat())
        };
        let (parsed, errors) = secret(&[]);
        let labels = parsed.unwrap();
        assert_eq!(errors, [""; 0]);
        assert_eq!(
            labels.strategy,
            Strategy::Secret(Pace {
                parallelism: 1,
                delay: Duration::from_secs(30)
            })
        );
        let path = &labels.certificates[0].path;
        assert_eq!(
            path,
            &PathBuf::from("/run/secrets/example.org/fullchain.pem")
        );

        let (parsed, errors) = secret(&[
            ("rollover.domains.shop", "shop.example.org"),
            ("rollover.path", "/tls/fullchain.pem"),
        ]);
        assert_eq!(parsed.unwrap().certificates.len(), 1);
        insta::assert_snapshot!(errors.join("\n"), @r#"service web: label rollover.path="/tls/fullchain.pem": expected a path with NAME in it, as neither secrets nor the two of a dual pair can share one; everything else goes on"#);
    }

    #[test]
    fn a_list_of_keys_asks_for_a_certificate_of_each() {
        let asked = |key: &str, path: &str| {
            parse(&[
                ("rollover.enable", "true"),
                ("rollover.domains", "example.org,www.example.org"),
                ("rollover.key", key),
                ("rollover.path", path),
            ])
        };
        let (parsed, errors) = asked("ecdsa384, rsa2048", "/tls/NAME/fullchain.pem");
        assert_eq!(errors, [""; 0]);
        let [first, second] = &parsed.unwrap().certificates[..] else {
            panic!("there are two");
        };
        assert_eq!(first.domains, second.domains);
        let told = [first, second].map(|it| {
            let (name, key) = (&it.name, it.ordering.key);
            format!("{name} {key} {}", it.path.display())
        });
        assert_eq!(
            told,
            [
                "example.org ecdsa384 /tls/example.org/fullchain.pem",
                "example.org-rsa rsa2048 /tls/example.org-rsa/fullchain.pem"
            ]
        );

        let (parsed, errors) = asked("ecdsa,rsa2048", "/tls/fullchain.pem");
        assert_eq!(parsed.unwrap().certificates.len(), 1);
        assert!(errors[0].contains("the two of a dual pair"), "{errors:?}");
        let (parsed, errors) = asked("ecdsa,ecdsa384", "/tls/NAME/fullchain.pem");
        assert!(parsed.is_none());
        insta::assert_snapshot!(errors.join("\n"), @r#"service web: label rollover.key="ecdsa,ecdsa384": expected ecdsa, ecdsa384, rsa2048 or rsa4096, or one ECDSA and one RSA of them, such as ecdsa,rsa2048; everything else goes on"#);
    }

    #[test]
    fn a_server_is_asked_by_a_name_unless_there_are_addresses_alone() {
        let asked_by = |domains: &str| {
            let labels = [("rollover.enable", "true"), ("rollover.domains", domains)];
            let certificate = parse(&labels).0.unwrap().certificates.remove(0);
            let path = certificate.path.display().to_string();
            (certificate.asked_by().unwrap().to_string(), path)
        };
        let path = |name: &str| format!("/etc/letsencrypt/live/{name}/fullchain.pem");
        assert_eq!(
            asked_by("192.0.2.7, 2001:db8::7, example.org"),
            ("example.org".to_owned(), path("192.0.2.7"))
        );
        assert_eq!(
            asked_by("2001:db8::7,192.0.2.7"),
            ("2001:db8::7".to_owned(), path("2001-db8-0-0-0-0-0-7"))
        );
    }

    #[test]
    fn a_wildcard_is_proved_by_dns_01_only() {
        let wanting = |more: &[(&str, &str)]| {
            let own = [
                ("rollover.enable", "true"),
                ("rollover.domains", "*.example.org,example.org"),
            ];
            parse(&[&own, more].concat())
        };
        let (parsed, errors) = wanting(&[("rollover.challenge", "dns-01")]);
        let certificate = parsed.unwrap().certificates.remove(0);
        assert_eq!(errors, [""; 0]);
        assert_eq!(certificate.ordering.challenge, Challenge::Dns01);
        assert_eq!(certificate.name.as_str(), "example.org");
        let path = "/etc/letsencrypt/live/example.org/fullchain.pem";
        assert_eq!(certificate.path, PathBuf::from(path));

        let (parsed, errors) = wanting(&[]);
        assert!(parsed.is_none());
        insta::assert_snapshot!(errors.join("\n"), @r#"service web: label rollover.domains="*.example.org,example.org": expected names that http-01 can prove, and an authority gives *.example.org by dns-01 only; set rollover.challenge=dns-01 (docs/dns.md), or list each host; everything else goes on"#);
        let addresses = [
            ("rollover.challenge", "dns-01"),
            ("rollover.domains", "192.0.2.7"),
        ];
        let (parsed, errors) = wanting(&addresses);
        assert!(parsed.is_none());
        assert!(
            errors[0].contains("gives 192.0.2.7 by http-01 only"),
            "{errors:?}"
        );
        let (parsed, errors) = wanting(&[("rollover.challenge", "dns")]);
        assert!(parsed.is_none());
        insta::assert_snapshot!(errors.join("\n"), @r#"service web: label rollover.challenge="dns": expected http-01 or dns-01; everything else goes on"#);
    }

    #[test]
    fn a_wrong_list_takes_its_own_certificate_out_and_no_other() {
        let (parsed, errors) = parse(&[
            ("rollover.enable", "true"),
            ("rollover.domains.good", "example.org"),
            ("rollover.domains.bad", "example.com,../etc"),
        ]);
        assert_eq!(parsed.unwrap().certificates.len(), 1);
        insta::assert_snapshot!(errors.join("\n"), @r#"service web: label rollover.domains.bad="example.com,../etc": expected a comma list of domain names; "../etc" is not a domain name (each part between dots has 1 to 63 characters); everything else goes on"#);
    }

    #[test]
    fn a_wrong_setting_takes_the_service_out_and_names_every_mistake() {
        let (parsed, errors) = parse(&[
            ("rollover.enable", "true"),
            ("rollover.domains", "example.org"),
            ("rollover.strategy", "reload"),
            ("rollover.delay", "30"),
            ("rollover.parallelism", "0"),
            ("rollover.probe", "https"),
            ("rollover.public", "www.example.org"),
            ("rollover.window", "0 2 * * *"),
            ("rollover.signal", "please"),
            ("rollover.path", "live/fullchain.pem"),
            ("rollover.domain", "example.org"),
        ]);
        assert!(parsed.is_none());
        insta::assert_snapshot!(errors.join("\n"), @r#"
        service web: label rollover.domain="example.org": expected one of the labels rollover.enable, rollover.domains, rollover.strategy, rollover.signal, rollover.exec, rollover.test, rollover.path, rollover.key, rollover.profile, rollover.challenge, rollover.probe, rollover.public, rollover.window, rollover.delay, rollover.parallelism; everything else goes on
        service web: label rollover.path="live/fullchain.pem": expected the absolute path of the chain inside the replica; everything else goes on
        service web: label rollover.probe="https": expected a TCP port, such as 443, and perhaps /h2 or /proxy after it; everything else goes on
        service web: label rollover.public="www.example.org": expected a host and a port, such as www.example.org:443; everything else goes on
        service web: label rollover.window="0 2 * * *": expected cron;duration[;time zone], such as "0 2 * * *;3h;Europe/Berlin"; found 1 of two or three parts between semicolons; everything else goes on
        service web: label rollover.strategy="reload": expected signal, restart or secret; everything else goes on
        service web: label rollover.signal="please": expected a signal's name, such as HUP; everything else goes on
        service web: label rollover.delay="30": expected a duration, such as 30s or 1m30s; everything else goes on
        service web: label rollover.parallelism="0": expected a number of replicas, 1 or more; everything else goes on
        "#);
    }
}
