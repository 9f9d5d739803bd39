//! The mock is held to Pebble: the same steps on both, and what they answer.
//!
//! Besides, two clients that others have written go the whole way with both, and
//! every fault that the mock can be told is seen by a client exactly so.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod challenges;
mod clients;
mod http;
mod jose;
mod script;
mod seen;
mod steps;
mod walk;

use std::{collections::BTreeMap, net::SocketAddr};

use rollover_lab::acme::{
    Network, PebbleOptions,
    mock::{Settings, Validation},
};

use challenges::Challenges;
use http::Http;
use jose::base64;
use seen::{Accepted, compare};
use walk::{EXTERNAL, FORBIDDEN, Server, names};

/// What may differ, and why. One that does not differ any more fails the test.
const ACCEPTED: &[Accepted] = &[
    Accepted {
        step: "an octet key",
        field: "problem",
        pebble: "urn:ietf:params:acme:error:malformed",
        mock: "urn:ietf:params:acme:error:badPublicKey",
        why: "RFC 8555, section 6.2, names badPublicKey; Pebble's library reads no such key",
    },
    Accepted {
        step: "key change: a key that is taken",
        field: "status",
        pebble: "200",
        mock: "409",
        why: "RFC 8555, section 7.3.5: conflict. Pebble changes nothing either, but says 200",
    },
    Accepted {
        step: "key change: a key that is taken",
        field: "Location",
        pebble: "no",
        mock: "yes",
        why: "RFC 8555, section 7.3.5: the URL of the account that has the key",
    },
    Accepted {
        step: "new order: an e-mail",
        field: "problem",
        pebble: "urn:ietf:params:acme:error:malformed",
        mock: "urn:ietf:params:acme:error:unsupportedIdentifier",
        why: "RFC 8555, section 6.7, has a type for it",
    },
    Accepted {
        step: "no address",
        field: "error",
        pebble: "urn:ietf:params:acme:error:connection",
        mock: "urn:ietf:params:acme:error:dns",
        why: "RFC 8555, section 6.7, has a type for it; Pebble does not tell it apart",
    },
    Accepted {
        step: "replaces: unknown",
        field: "status",
        pebble: "500",
        mock: "404",
        why: "the client's fault, not the server's: Let's Encrypt answers 404 too",
    },
    Accepted {
        step: "replaces: unknown",
        field: "problem",
        pebble: "urn:ietf:params:acme:error:serverInternal",
        mock: "urn:ietf:params:acme:error:malformed",
        why: "as above",
    },
    Accepted {
        step: "replaces: none of the names",
        field: "status",
        pebble: "500",
        mock: "400",
        why: "the client's fault, not the server's",
    },
    Accepted {
        step: "replaces: none of the names",
        field: "problem",
        pebble: "urn:ietf:params:acme:error:serverInternal",
        mock: "urn:ietf:params:acme:error:malformed",
        why: "as above",
    },
];

#[tokio::test]
async fn the_mock_answers_as_pebble_does() {
    let network = Network::create().await.unwrap();
    let challenges = Challenges::start(network.gateway()).await;
    let pebble = network
        .pebble(&PebbleOptions {
            http_port: challenges.port,
            forbidden: vec![FORBIDDEN.to_owned()],
            external_accounts: BTreeMap::from([(EXTERNAL.0.to_owned(), base64(EXTERNAL.1))]),
            ..PebbleOptions::default()
        })
        .await
        .unwrap();
    let mock = network
        .mock(Settings {
            validation: Validation::Fetch {
                port: challenges.port,
            },
            forbidden: vec![FORBIDDEN.to_owned()],
            external_accounts: BTreeMap::from([(EXTERNAL.0.to_owned(), EXTERNAL.1.to_vec())]),
            ..Settings::default()
        })
        .await
        .unwrap();
    for (name, addresses) in names(network.gateway()) {
        pebble.set_addresses(name, &addresses).await.unwrap();
        mock.set_addresses(name, &addresses);
    }
    let directory = pebble.directory_url();
    let address: SocketAddr = directory.split('/').nth(2).unwrap().parse().unwrap();
    let real = Server {
        http: Http::new(address, pebble.ca_pem()),
        directory,
        challenges: &challenges,
    };
    let mocked = Server {
        http: Http::new(mock.address(), mock.ca_pem()),
        directory: mock.directory_url(),
        challenges: &challenges,
    };
    let (real, mocked) = (steps::all(&real).await, steps::all(&mocked).await);
    println!("{} steps", real.len());
    let wrong = compare(&real, &mocked, ACCEPTED);
    assert!(
        wrong.is_empty(),
        "{} differences:\n{wrong}",
        wrong.lines().count()
    );
    network.stop().await.unwrap();
}
