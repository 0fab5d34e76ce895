//! The program.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use taizhang::commands::{Arguments, run};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
