//! What was found in a stack file, in the forms that other programs read. Each is
//! made of the same [`Diagnostic`](diagnostic::Diagnostic)s.

mod diagnostic;
mod github;
mod junit;
mod sarif;

pub use github::github;
pub use junit::junit;
pub use sarif::sarif;
