//! Errors, told to a person.

use std::error::Error;

/// An error with its causes, as one text, each said once.
///
/// ```
/// # use rollover_lab::with_causes;
/// let missing = std::fs::read("there is no such file").unwrap_err();
/// assert_eq!(with_causes(&missing), missing.to_string());
/// ```
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
