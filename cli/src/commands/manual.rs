//! `countersign manual`: manual pages.

use crate::console;
use crate::failure::{Exit, Failure};
use std::io::Write;
use std::path::PathBuf;

/// Print the manual page, or write one for every command.
#[derive(clap::Args)]
#[command(after_help = "countersign manual | man -l -    shows it")]
pub(crate) struct Manual {
    /// The folder to write `countersign.1`, `countersign-test.1` and so on to, which is made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

impl Manual {
    /// Runs it.
    pub(crate) fn run(self, command: clap::Command) -> Result<Exit, Failure> {
        match self.output {
            Some(folder) => {
                let written = std::fs::create_dir_all(&folder)
                    .and_then(|()| clap_mangen::generate_to(command.disable_help_subcommand(true), &folder));
                written.map_err(|error| {
                    Failure::at(folder.display(), format!("expected a folder to write to: {error}"))
                })?;
            }
            None => {
                let mut out = console::stdout();
                clap_mangen::Man::new(command).render(&mut out)?;
                out.flush()?;
            }
        }
        Ok(Exit::Good)
    }
}
