//! The command line: one file per verb, and the only place that prints or exits.

mod args;
mod assembly;
mod attack_show;
mod attest;
mod audit;
mod checks;
mod clean;
mod comparison;
mod corrupted;
mod data;
mod doctor;
mod engine;
mod estimate;
mod exit;
mod facts;
mod gate;
mod kept;
mod latency;
mod leaderboard;
mod model;
mod model_build;
mod model_check;
mod model_lipschitz;
mod model_profile;
mod needed;
mod panels;
mod parallel;
mod pictures;
mod places;
mod prepare;
mod progress;
mod render;
mod run;
mod self_check;
mod show_plan;
mod static_cost;
mod table;
mod train;
mod verify;

use args::{Args, AttackVerb, Verb};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::report_panics();
    let args = Args::parse();
    let outcome = match args.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Model(verb) => model::run(verb),
        Verb::Attack(AttackVerb::Show(args)) => attack_show::run(&args),
        Verb::Gate(args) => gate::run(&args),
        Verb::Leaderboard(args) => leaderboard::run(&args),
        Verb::Report(args) => render::run(&args),
        Verb::Data(verb) => data::run(verb),
        Verb::Train(args) => train::run(&args),
        Verb::Latency(args) => latency::run(&args),
        Verb::Attest(args) => attest::run(&args),
        Verb::Key(verb) => attest::key(&verb),
        Verb::Export(args) => attest::export(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Compare(args) => comparison::run(&args),
        Verb::Audit(args) => audit::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
    };
    match outcome {
        Ok(code) => code.into(),
        Err(error) => exit::explain(&error),
    }
}
