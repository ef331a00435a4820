//! The auditor's program. Everything is in the library; see [`auditor::cli`].

fn main() -> std::process::ExitCode {
    auditor::cli::main()
}
