//! Decoders of others' making, whose panics end one file and not the program.
//!
//! They are well kept and fuzzed, and still a damaged file is found now and then that one of them panics on. Who
//! segments ten thousand pictures must not lose the run to it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, UnwindSafe};
use std::sync::Once;

/// A decoder that panicked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its decoder broke down: {message}")]
pub struct Panicked {
    message: String,
}

thread_local! {
    /// Whether this thread is inside of [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `decode` gives, or that it panicked. Nothing is printed then: the caller reports it as any other damaged file.
///
/// For that the first call puts a hook in front of the process's panic hook, which passes on every panic from elsewhere.
/// A program that is built with `panic = "abort"` cannot be guarded.
pub fn guarded<T>(decode: impl FnOnce() -> T + UnwindSafe) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let inner = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                inner(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(decode);
    GUARDED.set(outer);
    result.map_err(|payload| Panicked { message: message(&*payload) })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_next_file_is_decoded() {
        let at = std::hint::black_box(3);
        type Case = (fn(usize) -> u8, &'static str);
        let panics: [Case; 3] = [
            (|at| [1, 2, 3][at], "index out of bounds: the len is 3 but the index is 3"),
            (|_| panic!("written out"), "written out"),
            (|at| panic::panic_any(at), "no message"),
        ];
        for (decode, expected) in panics {
            let found = guarded(|| decode(at));
            assert_eq!(found, Err(Panicked { message: expected.to_owned() }));
            assert_eq!(guarded(|| 7), Ok(7));
        }
    }

    #[test]
    fn only_the_guarded_thread_is_silent_and_only_inside() {
        let inside = guarded(|| {
            let nested = guarded(|| panic!("inner"));
            (nested.is_err(), GUARDED.get(), std::thread::spawn(|| GUARDED.get()).join().unwrap())
        });
        assert_eq!(inside, Ok((true, true, false)));
        assert!(guarded(|| panic!("outer")).is_err());
        assert!(!GUARDED.get());
    }
}
