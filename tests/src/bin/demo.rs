//! `cargo xtask demo`: the fraud-scoring flow, request by request.

use std::process::ExitCode;

use anyhow::{Result, bail};
use countersign_tests::flow::{self, EnvoyGateway, Gateway, Issuing, SimulatorGateway, World};

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let good = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            println!("the simulator, with a built-in issuer");
            let mut world = World::start(Issuing::BuiltIn)?;
            let gateway = SimulatorGateway::start(&world)?;
            show(&mut world, &gateway)?
        }
        ["--envoy"] => {
            println!("Envoy, with an OpenID provider as the issuer");
            let mut world = World::start(Issuing::Provider)?;
            let gateway = EnvoyGateway::start(&world)?;
            show(&mut world, &gateway)?
        }
        _ => bail!("unknown arguments `{}`, expected nothing or `--envoy`", args.join(" ")),
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(world: &mut World, gateway: &dyn Gateway) -> Result<bool> {
    let rows = flow::run(world, gateway)?;
    Ok(flow::print(&rows))
}
