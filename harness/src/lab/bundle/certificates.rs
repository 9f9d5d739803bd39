//! Which certificates were seen, and those that the volume shows now.

use std::fmt::Write;

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::Bundle;
use crate::{
    lab::{Lab, LabError, Node},
    traffic::tls::fingerprint,
    volume::Files,
};

pub(super) fn write(bundle: &Bundle<'_>, lab: &Lab) -> Result<(), LabError> {
    let mut text = String::new();
    for node in lab.nodes() {
        of(bundle, lab, node, &mut text)?;
    }
    for sighting in lab.journal().notes().sightings {
        let served = sighting.served.unwrap_or_else(|why| format!("none: {why}"));
        let _ = writeln!(text, "{} {} served {served}", sighting.at, sighting.node);
    }
    bundle.save("certificates.txt", Ok(text))
}

/// What a node's volume shows of each certificate under `live/`.
fn of(bundle: &Bundle<'_>, lab: &Lab, node: &Node, text: &mut String) -> Result<(), LabError> {
    let files = lab.volume().seen_by(node);
    let mut say = |what: &str| {
        let _ = writeln!(text, "{}: {what}", node.name());
    };
    let entries = match files.list("live") {
        Ok(entries) => entries,
        Err(error) => {
            say(&format!("failed to {error}"));
            return Ok(());
        }
    };
    for entry in entries {
        match leaf(&files, &entry.name) {
            None => say(&format!("{} has no chain", entry.name)),
            Some(Err(why)) => say(&format!("{}: {why}", entry.name)),
            Some(Ok((pem, print))) => {
                say(&format!("{} is {print}", entry.name));
                let file = format!("certificates/{}-{}.pem", entry.name, &print[..12]);
                bundle.save(&file, Ok(pem))?;
            }
        }
    }
    Ok(())
}

/// The chain of a certificate and the fingerprint of its leaf; none where it has
/// no such file.
fn leaf(files: &Files, name: &str) -> Option<Result<(String, String), String>> {
    let pem = files.read_text(format!("live/{name}/fullchain.pem")).ok()?;
    let leaf = CertificateDer::from_pem_slice(pem.as_bytes());
    let leaf = leaf.map_err(|error| format!("its chain cannot be read: {error}"));
    Some(leaf.map(|leaf| (pem, fingerprint(&leaf))))
}
