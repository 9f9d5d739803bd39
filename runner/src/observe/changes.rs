//! That services change: it wakes the runner, which then looks at all, as it
//! does when its interval is over.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How soon to listen again when the engine has ended its stream. Meanwhile the
/// runner's interval finds what has changed.
const PAUSE: Duration = Duration::from_secs(10);

/// Notifies `changed` whenever a service of the swarm is made or changed, for
/// ever. A deploy may take from a target what its replicas need to start; the
/// sooner that is seen, the fewer find out.
pub(crate) async fn tell_changes(docker: &Docker, changed: &Notify) {
    let filters = HashMap::from([
        ("type", vec!["service"]),
        ("event", vec!["create", "update"]),
    ]);
    let options = EventsOptionsBuilder::default().filters(&filters).build();
    loop {
        let mut events = pin!(docker.events(Some(options.clone())));
        while let Some(Ok(_)) = events.next().await {
            changed.notify_one();
        }
        sleep(PAUSE).await;
    }
}
