//! Labs beside one another.

use std::net::Ipv4Addr;

use rollover_lab::lab::Lab;

use super::{small, traces::Traces};

#[tokio::test(flavor = "multi_thread")]
async fn labs_stand_side_by_side_and_end_apart() {
    let (one, other) = tokio::join!(small().start(), small().start());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.run(), other.run());
    assert_ne!(network_of(&one), network_of(&other));
    assert_ne!(swarm_of(&one).await, swarm_of(&other).await);

    let traces = Traces::of(one.run());
    assert!(traces.are_whole(), "{traces:?}");
    one.stop().await.unwrap();
    assert_eq!(traces.left(), [""; 0]);
    other.manager().docker().ping().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_takes_its_addresses_from_where_it_is_told() {
    let subnet = "10.213.77.0/24".parse().unwrap();
    let lab = small().subnet(subnet).start().await.unwrap();
    assert_eq!(lab.manager().address(), Ipv4Addr::new(10, 213, 77, 11));
    let second = small().subnet(subnet).start().await;
    let error = second.expect_err("there is no room for two").to_string();
    assert!(error.contains("10.213.77.0/24"), "{error}");
    lab.stop().await.unwrap();
}

fn network_of(lab: &Lab) -> [u8; 3] {
    let [a, b, c, _] = lab.manager().address().octets();
    [a, b, c]
}

async fn swarm_of(lab: &Lab) -> Option<String> {
    lab.manager().docker().inspect_swarm().await.unwrap().id
}
