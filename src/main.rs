//! Parses the command line, runs it, sets the exit code. Must never hold logic.

/// Rows are many small pieces of memory that one thread makes and another gives back: glibc's allocator takes a fifth of
/// a plan's time for that (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    driftwarden::commands::main()
}
