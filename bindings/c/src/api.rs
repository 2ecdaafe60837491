//! The functions that C calls.
//!
//! This module alone may use `unsafe`: C's pointers are what C says they are, and no compiler can check that.
#![allow(unsafe_code, reason = "a foreign interface is made of raw pointers and exported names")]

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::slice;

use lrnnet_run::{Frame, PixelFormat, Size};

use crate::handle::{Failure, LrnnetSegmenter, LrnnetStatus, picture};

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a version has no zero byte"),
};

/// The version of this library, such as "0.1.0". Valid for ever.
#[unsafe(no_mangle)] // Safety: no other library has names with this prefix.
pub extern "C" fn lrnnet_version() -> *const c_char {
    VERSION.as_ptr()
}

/// Opens a model on a device.
///
/// `model`: path of a file of `lrnnet-export`; NULL for the model that is compiled in, whose weights are for research use
/// only. A model must take one picture at a time.
/// `device`: "auto" takes the best that works; "cpu" (ONNX Runtime), "tract", "cuda:0" and "tensorrt:0" work or fail, and
/// never fall back. NULL is "auto".
/// `segmenter`: where the handle goes, also when opening fails: then it holds what lrnnet_error tells, and must be closed
/// as any other.
///
/// ONNX Runtime's library is that of the environment variable ORT_DYLIB_PATH, else the one that `lrnnet-run setup`
/// installed, beside the program, or known to the system's loader.
///
/// # Safety
/// `model` and `device` are NULL or end in a zero byte; `segmenter` is NULL or may be written to.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_open(
    model: *const c_char,
    device: *const c_char,
    segmenter: *mut *mut LrnnetSegmenter,
) -> LrnnetStatus {
    if segmenter.is_null() {
        return LrnnetStatus::Argument;
    }
    let mut handle = Box::new(LrnnetSegmenter::default());
    // Safety: the caller's promise; both are used before this function returns.
    let (model, device) = unsafe { (text(model), text(device)) };
    let model = model.map(|model| Path::new(OsStr::from_bytes(model.to_bytes())));
    // What is no text is no device either, and is named as such.
    let status = handle.open(model, &device.map_or("auto".into(), CStr::to_string_lossy));
    // Safety: the caller's promise; it is not NULL.
    unsafe { segmenter.write(Box::into_raw(handle)) };
    status
}

/// Segments a picture: a class id for each pixel, at the picture's own size.
///
/// `rgb`: rows of `width` pixels of three bytes, red, green, blue, from the top to the bottom.
/// `stride`: bytes from the beginning of a row to that of the next, at least 3 * width.
/// `class_ids`: room for the mask, row by row without gaps; it must not overlap the picture.
/// `capacity`: bytes of that room, at least width * height. What is beyond is left alone. Where the call fails, the mask
/// holds nothing of use.
///
/// # Safety
/// `segmenter` is NULL or open and in no other call; `rgb` may be read up to the end of the last row's last pixel, and
/// `class_ids` written for `capacity` bytes.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_segment(
    segmenter: *mut LrnnetSegmenter,
    rgb: *const u8,
    stride: usize,
    width: usize,
    height: usize,
    class_ids: *mut u8,
    capacity: usize,
) -> LrnnetStatus {
    // Safety: the caller's promise; handles are made by `lrnnet_open` alone.
    let Some(handle) = (unsafe { segmenter.as_mut() }) else { return LrnnetStatus::Argument };
    handle.segment(|| {
        let size = Size::new(height, width);
        let needed = Frame::bytes_needed(size, PixelFormat::Rgb, stride).map_err(|error| picture(&error))?;
        if rgb.is_null() || class_ids.is_null() {
            return Err(Failure::argument("the picture or the room for its mask is NULL"));
        }
        // Safety: the caller's promise; neither is NULL, `needed` fits memory, and they do not overlap. Bytes that were
        // never written are bytes all the same to the compiler, since they come from beyond its sight.
        let (rgb, ids) = unsafe {
            let room = capacity.min(size.area());
            (slice::from_raw_parts(rgb, needed), slice::from_raw_parts_mut(class_ids, room))
        };
        let frame = Frame::with_stride(rgb, size, PixelFormat::Rgb, stride).map_err(|error| picture(&error))?;
        Ok((frame, ids))
    })
}

/// What the last call of lrnnet_open or lrnnet_segment with this handle failed with, in words; "" if it did not fail.
/// Never NULL. Valid until the next of these calls, or until the handle is closed.
///
/// # Safety
/// `segmenter` is NULL or from lrnnet_open and not closed.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_error(segmenter: *const LrnnetSegmenter) -> *const c_char {
    // Safety: the caller's promise.
    let handle = unsafe { segmenter.as_ref() };
    handle.map_or(c"there is no segmenter: the handle is NULL", |handle| &handle.error).as_ptr()
}

/// Number of classes; 0 if the segmenter is not open.
///
/// # Safety
/// As for lrnnet_error.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_class_count(segmenter: *const LrnnetSegmenter) -> usize {
    // Safety: the caller's promise.
    unsafe { segmenter.as_ref() }.and_then(LrnnetSegmenter::opened).map_or(0, |opened| opened.names.len())
}

/// Name of a class in UTF-8; NULL if there is none of this id. Valid until the handle is closed.
///
/// # Safety
/// As for lrnnet_error.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_class_name(segmenter: *const LrnnetSegmenter, class_id: usize) -> *const c_char {
    // Safety: the caller's promise.
    let opened = unsafe { segmenter.as_ref() }.and_then(LrnnetSegmenter::opened);
    opened.and_then(|opened| opened.names.get(class_id)).map_or(ptr::null(), |name| name.as_ptr())
}

/// The colours of the classes: red, green and blue of class 0, then of class 1, and so on; NULL if the segmenter is not
/// open. Valid until the handle is closed.
///
/// # Safety
/// As for lrnnet_error.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_palette(segmenter: *const LrnnetSegmenter) -> *const u8 {
    // Safety: the caller's promise.
    let opened = unsafe { segmenter.as_ref() }.and_then(LrnnetSegmenter::opened);
    opened.map_or(ptr::null(), |opened| opened.palette.as_ptr())
}

/// The device in use, as the word that asks for it: "auto" never is one. NULL if the segmenter is not open. Valid until the
/// handle is closed.
///
/// # Safety
/// As for lrnnet_error.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_device(segmenter: *const LrnnetSegmenter) -> *const c_char {
    // Safety: the caller's promise.
    let opened = unsafe { segmenter.as_ref() }.and_then(LrnnetSegmenter::opened);
    opened.map_or(ptr::null(), |opened| opened.device.as_ptr())
}

/// Runtime, version and device in use, in words; NULL if the segmenter is not open. Valid until the handle is closed.
///
/// # Safety
/// As for lrnnet_error.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_runtime(segmenter: *const LrnnetSegmenter) -> *const c_char {
    // Safety: the caller's promise.
    let opened = unsafe { segmenter.as_ref() }.and_then(LrnnetSegmenter::opened);
    opened.map_or(ptr::null(), |opened| opened.runtime.as_ptr())
}

/// Closes a segmenter and frees what it holds; the handle and what came from it are of no more use. NULL is nothing to
/// close.
///
/// # Safety
/// `segmenter` is NULL or from lrnnet_open, not closed, and in no call.
#[unsafe(no_mangle)] // Safety: as for `lrnnet_version`.
pub unsafe extern "C" fn lrnnet_close(segmenter: *mut LrnnetSegmenter) {
    if segmenter.is_null() {
        return;
    }
    // Safety: the caller's promise; it came from `Box::into_raw` and is given back once.
    let handle = unsafe { Box::from_raw(segmenter) };
    // A runtime that fails in closing has nobody to tell. What it panics with is not dropped: that might panic again.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(handle))) {
        std::mem::forget(panic);
    }
}

/// # Safety
/// `text` is NULL or ends in a zero byte and stays as it is for as long as what is given back.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // Safety: the caller's promise; it is not NULL.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}
