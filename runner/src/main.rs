//! The binary `rollover`; all of it is in the library beside it.

use std::process::ExitCode;

#[tokio::main(flavor = "local")]
async fn main() -> ExitCode {
    rollover::main().await
}
