//! The ACME server fails its clients.

use std::fmt;
use std::sync::Arc;

use super::proxy::{Proxy, Rule, Server};
use super::{Active, Fault, Pending, mending, shell};
use crate::lab::{Lab, LabError, Node};

/// Redirects what goes to `$1` port `$2` to `$3`, for the node's containers and
/// for itself, before Docker's own rules.
const REDIRECT: &str = r#"
for chain in PREROUTING OUTPUT; do
    iptables --wait -t nat -I "$chain" -p tcp -d "$1" --dport "$2" -j DNAT --to-destination "$3"
done
"#;
const DIRECT: &str = r#"
for chain in PREROUTING OUTPUT; do
    while iptables --wait -t nat -D "$chain" -p tcp -d "$1" --dport "$2" -j DNAT \
        --to-destination "$3" 2>/dev/null; do :; done
done
"#;
/// Connects to `$1` port `$2`, asks, and waits for nothing.
const KNOCK: &str = r#"exec 3<>"/dev/tcp/$1/$2""#;

/// The lab's ACME server answers wrongly: connections of all nodes and their
/// containers go to a proxy that shows its certificate. Those that are open stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeBroken {
    /// Which calls, and how.
    pub rule: Rule,
}

impl AcmeBroken {
    /// With such calls answered wrongly.
    #[must_use]
    pub fn by(rule: Rule) -> Self {
        Self { rule }
    }
}

impl Fault for AcmeBroken {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let acme = lab.pebble().ok_or_else(|| LabError::Unsupported {
                what: self.to_string(),
                reason: "the lab has no Pebble; the scripted server fails by its own script"
                    .to_owned(),
            })?;
            let (acceptor, connector) = acme.both_ends()?;
            let address = acme.directory_address();
            let server = Server::Tls {
                address,
                acceptor,
                connector,
            };
            let proxy = Arc::new(Proxy::start(lab.gateway(), server, self.rule.clone())?);
            let words = [
                address.ip().to_string(),
                address.port().to_string(),
                proxy.address().to_string(),
            ];
            let nodes = lab.nodes().to_vec();
            let (direct, held) = (words.clone(), Arc::clone(&proxy));
            let mend = mending(move || async move {
                everywhere(&nodes, DIRECT, &direct).await?;
                drop(held);
                Ok(())
            });
            let active = Active::new(self, lab, Some(mend));
            everywhere(lab.nodes(), REDIRECT, &words).await?;
            for node in lab.nodes() {
                let before = proxy.connections();
                let knock = ["bash", "-c", KNOCK, "sh", &words[0], &words[1]];
                node.exec(&knock)
                    .await?
                    .succeeded("connect to the ACME server")?;
                proxy.connected_since(before).await?;
            }
            Ok(active)
        })
    }
}

async fn everywhere(nodes: &[Node], script: &str, words: &[String; 3]) -> Result<(), LabError> {
    for node in nodes {
        shell::run(node, script, &words.each_ref().map(String::as_str)).await?;
    }
    Ok(())
}

impl fmt::Display for AcmeBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ACME server {}", self.rule)
    }
}
