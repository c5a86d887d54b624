//! Panics on demand, to see what becomes of them. Only with the feature `faults`, which nothing that is shipped is built
//! with: no configuration and no request can ask for one without it.

/// Panics where a text asks for it, by the name of a point in the code.
#[cfg(feature = "faults")]
macro_rules! fault {
    ($point:literal in $text:expr) => {
        if memchr::memmem::find($text, concat!("panic_in_", $point).as_bytes()).is_some() {
            panic!("asked for");
        }
    };
}

#[cfg(not(feature = "faults"))]
macro_rules! fault {
    ($point:literal in $text:expr) => {};
}
