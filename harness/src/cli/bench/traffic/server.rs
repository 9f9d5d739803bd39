//! What the traffic goes to: an nginx of the load balancer's image on the lab's network,
//! with nothing behind it, so that what is measured is the client.

use std::net::SocketAddr;

use rollover_lab::{
    acme::Client,
    lab::{Lab, wait},
};
use tokio::net::TcpStream;

use super::super::CouldNot;

/// The name in its certificate.
pub(super) const NAME: &str = "localhost";
const IMAGE: &str = "loadbalancer";
const PORT: u16 = 443;
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
/// `$1`, `$2` and `$3` are its certificate, its key and its configuration.
const START: &str = r#"
set -eu
mkdir -p /traffic
cd /traffic
printf %s "$1" >cert.pem
printf %s "$2" >key.pem
printf %s "$3" >nginx.conf
nginx -c /traffic/nginx.conf"#;
const CONFIGURATION: &str = "
worker_processes 1; user root; error_log /traffic/error.log warn;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000;
    server {
        listen 443 ssl backlog=4096;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        location / { return 200 ok; }
    }
}";

/// Starts it; it goes with the lab.
pub(super) async fn start(lab: &Lab) -> Result<SocketAddr, CouldNot> {
    let container = lab.client(1, IMAGE).await?;
    configure(&container).await?;
    let address = SocketAddr::from((container.address(), PORT));
    let listens = wait::until("nginx listen", DEADLINE, async || {
        TcpStream::connect(address).await
    });
    listens.await?;
    Ok(address)
}

async fn configure(container: &Client) -> Result<(), CouldNot> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let start = ["sh", "-c", START, "sh", &chain, &key, CONFIGURATION];
    container.exec(&start).await?.succeeded("start nginx")?;
    Ok(())
}
