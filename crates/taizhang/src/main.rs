//! The program.

use std::process::ExitCode;

use clap::Parser;
use taizhang::commands::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("taizhang: {error:#}");
            ExitCode::FAILURE
        }
    }
}
