//! The signature check that module.c asks for, and the tables in which nginx looks for a dynamic module.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr;
use std::slice;

use keys::{Algorithm, Signer, Verifier};

#[path = "../../src/keys.rs"]
#[expect(dead_code, reason = "keys are made, and tokens signed, by the load generator")]
mod keys;

type Failure = Box<dyn std::error::Error>;

// SAFETY: module.c defines it, and only its address is taken here.
unsafe extern "C" {
    static mut ngx_http_arithmetic_module: c_void;
}

#[repr(transparent)]
pub struct Table<T>([*const T; 2]);

// SAFETY: nginx reads it, when it loads the module.
unsafe impl<T> Sync for Table<T> {}

#[unsafe(no_mangle)]
pub static ngx_modules: Table<c_void> = Table([&raw const ngx_http_arithmetic_module, ptr::null()]);
#[unsafe(no_mangle)]
pub static ngx_module_names: Table<c_char> = Table([c"ngx_http_arithmetic_module".as_ptr(), ptr::null()]);
#[unsafe(no_mangle)]
pub static ngx_module_order: Table<c_char> = Table([ptr::null(), ptr::null()]);

/// What verifies tokens of an algorithm, with the key that this directory holds; null without one. Made once, for good.
///
/// # Safety
/// Both texts are as long as said.
#[unsafe(no_mangle)]
unsafe extern "C" fn arithmetic_verifier(
    algorithm: *const u8,
    length: usize,
    keys: *const u8,
    keys_length: usize,
) -> *const c_void {
    // SAFETY: the caller's duty.
    let texts = unsafe { [slice::from_raw_parts(algorithm, length), slice::from_raw_parts(keys, keys_length)] };
    let [algorithm, keys] = texts.map(|text| str::from_utf8(text).unwrap_or_default());
    let verifier = || {
        let algorithm: Algorithm = algorithm.parse().ok()?;
        Verifier::of(&Signer::read(Path::new(keys), algorithm).ok()?, algorithm).ok()
    };
    verifier().map_or(ptr::null(), |verifier| Box::into_raw(Box::new(verifier)).cast_const().cast())
}

/// Whether a signature holds: 1 or 0.
///
/// # Safety
/// The verifier is one of `arithmetic_verifier`, message and signature are as long as said.
#[unsafe(no_mangle)]
unsafe extern "C" fn arithmetic_verifies(
    verifier: *const c_void,
    message: *const u8,
    length: usize,
    signature: *const u8,
    signature_length: usize,
) -> isize {
    // SAFETY: the caller's duty.
    unsafe {
        let message = slice::from_raw_parts(message, length);
        let signature = slice::from_raw_parts(signature, signature_length);
        (*verifier.cast::<Verifier>()).verifies(message, signature).into()
    }
}
