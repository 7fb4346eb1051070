//! Signals: the first SIGINT or SIGTERM asks the work to stop, a later one ends the process at once; SIGXFSZ does neither.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use super::exit::Exit;

/// Signals so soon after the first belong to it: `timeout` and terminals send one to the process and one to its group.
const ONE_REQUEST: Duration = Duration::from_millis(300);

/// The two signals, once installed.
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

/// Makes a write beyond the limit on file sizes (`ulimit -f`) fail as on a full disk. Unhandled, the signal would end
/// the process, and with it what was measured.
///
/// # Errors
///
/// Those of `sigaction`.
pub fn outlive_file_size_limit() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(|_| ())
}

impl Interrupt {
    /// Takes over both signals for the rest of the process.
    ///
    /// # Errors
    ///
    /// Those of `sigaction`.
    pub fn install() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let signal = Arc::new(AtomicUsize::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        let (mut first, came) = UnixStream::pair()?;
        for (number, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
            let code = exit.code();
            flag::register_conditional_shutdown(number, code.into(), Arc::clone(&armed))?;
            flag::register_usize(number, Arc::clone(&signal), code.into())?;
            flag::register(number, Arc::clone(&asked))?;
            pipe::register(number, came.try_clone()?)?;
        }
        // Waits in the kernel until a signal comes: nothing ticks while something is timed.
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                if first.read_exact(&mut [0]).is_ok() {
                    thread::sleep(ONE_REQUEST);
                    armed.store(true, Ordering::SeqCst);
                }
            })?;
        Ok(Self { asked, signal })
    }

    /// Set by the first signal.
    pub fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// The exit code of the signal that came; that of SIGINT if none did.
    pub fn exit(&self) -> Exit {
        match self.signal.load(Ordering::SeqCst) == usize::from(Exit::Terminated.code()) {
            true => Exit::Terminated,
            false => Exit::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_asks_and_decides_the_exit_code() {
        let interrupt = Interrupt::install().unwrap();
        assert!(!interrupt.flag().load(Ordering::SeqCst));
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(interrupt.flag().load(Ordering::SeqCst));
        assert_eq!(interrupt.exit(), Exit::Terminated);
    }
}
