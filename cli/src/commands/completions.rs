//! `countersign completions`: what shells complete.

use crate::console;
use crate::failure::{Exit, Failure};
use clap_complete::Shell;
use std::io::Write;

/// Print a script by which a shell completes this command's words.
#[derive(clap::Args)]
#[command(after_help = INSTALL)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

const INSTALL: &str = r#"bash:  source <(countersign completions bash), in ~/.bashrc
zsh:   countersign completions zsh > "${fpath[1]}/_countersign"
fish:  countersign completions fish > ~/.config/fish/completions/countersign.fish"#;

impl Completions {
    /// Runs it.
    pub(crate) fn run(self, mut command: clap::Command) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "countersign", &mut script);
        let mut out = console::stdout();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Exit::Good)
    }
}
