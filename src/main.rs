//! Parses the command line, runs it, sets the exit code. Must never hold logic.

fn main() -> std::process::ExitCode {
    driftwarden::commands::main()
}
