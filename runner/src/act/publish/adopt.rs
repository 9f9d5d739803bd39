//! What was live before the first version of ours.

use super::error::PublishError;
use super::layout::Layout;
use super::live::{Exchange, lead_to};
use super::{Content, version};
use crate::observe::files::content_of;

/// Makes what is live a version, if it is none yet and can be served: a lineage
/// of certbot's, or files made by hand. So there is something to go back to.
///
/// It is the same certificate before and after, so a reader may meet any mix.
pub(super) fn adopt(layout: &Layout<'_>, exchange: Exchange) -> Result<(), PublishError> {
    if layout.live_version().is_some() {
        return Ok(());
    }
    let Ok(there) = content_of(layout.root, layout.name) else {
        // Nothing, or nothing that could be served: nothing to go back to.
        return Ok(());
    };
    // Neither is a placeholder.
    let texts = (
        std::str::from_utf8(&there.chain),
        std::str::from_utf8(&there.key),
    );
    let (Ok(chain), Ok(key), false) = (texts.0, texts.1, there.pair.leaf.placeholder) else {
        return Ok(());
    };
    let number = version::write(layout, &Content { chain, key })?;
    lead_to(layout, number, exchange)
}
