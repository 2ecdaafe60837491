/* LRNNet: RGB bytes in, class ids out.
 *
 * Threads: one call at a time with a handle, from any thread; different handles may be used at the same time. What is read
 * of a handle (names, palette, error) may be read from several threads as long as no other call is made with it.
 *
 * Memory: everything that a function gives belongs to the library. lrnnet_close frees a handle and what came from it.
 *
 * Made by cbindgen from bindings/c/src. To change it, change that and run
 *     UPDATE_HEADER=1 cargo test --workspace --test header
 */

#ifndef LRNNET_H
#define LRNNET_H

#include <stddef.h>
#include <stdint.h>

// What became of a call.
typedef enum LrnnetStatus {
  // It did what it should.
  LRNNET_STATUS_OK = 0,
  // What was asked for makes no sense, or does not fit the model.
  LRNNET_STATUS_ARGUMENT = 1,
  // The model file cannot be read, is none of this project, or cannot be fed.
  LRNNET_STATUS_MODEL = 2,
  // The bytes are no picture.
  LRNNET_STATUS_PICTURE = 3,
  // The device, or the library of its runtime, does not work here.
  LRNNET_STATUS_DEVICE = 4,
  // The network ran and failed.
  LRNNET_STATUS_RUN = 5,
  // A fault of this library. The segmenter is of no more use; close it.
  LRNNET_STATUS_PANIC = 6,
} LrnnetStatus;

// A trained network on a device. C sees a pointer to it and nothing of what is in it.
typedef struct LrnnetSegmenter LrnnetSegmenter;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of this library, such as "0.1.0". Valid for ever.
const char *lrnnet_version(void);

// Opens a model on a device.
//
// `model`: path of a file of `lrnnet-export`; NULL for the model that is compiled in, whose weights are for research use
// only. A model must take one picture at a time.
// `device`: "auto" takes the best that works; "cpu" (ONNX Runtime), "tract", "cuda:0" and "tensorrt:0" work or fail, and
// never fall back. NULL is "auto".
// `segmenter`: where the handle goes, also when opening fails: then it holds what lrnnet_error tells, and must be closed
// as any other.
//
// ONNX Runtime's library is that of the environment variable ORT_DYLIB_PATH, else the one that `lrnnet-run setup`
// installed, beside the program, or known to the system's loader.
//
// # Safety
// `model` and `device` are NULL or end in a zero byte; `segmenter` is NULL or may be written to.
enum LrnnetStatus lrnnet_open(const char *model,
                              const char *device,
                              struct LrnnetSegmenter **segmenter);

// Segments a picture: a class id for each pixel, at the picture's own size.
//
// `rgb`: rows of `width` pixels of three bytes, red, green, blue, from the top to the bottom.
// `stride`: bytes from the beginning of a row to that of the next, at least 3 * width.
// `class_ids`: room for the mask, row by row without gaps; it must not overlap the picture.
// `capacity`: bytes of that room, at least width * height. What is beyond is left alone. Where the call fails, the mask
// holds nothing of use.
//
// # Safety
// `segmenter` is NULL or open and in no other call; `rgb` may be read up to the end of the last row's last pixel, and
// `class_ids` written for `capacity` bytes.
enum LrnnetStatus lrnnet_segment(struct LrnnetSegmenter *segmenter,
                                 const uint8_t *rgb,
                                 size_t stride,
                                 size_t width,
                                 size_t height,
                                 uint8_t *class_ids,
                                 size_t capacity);

// What the last call of lrnnet_open or lrnnet_segment with this handle failed with, in words; "" if it did not fail.
// Never NULL. Valid until the next of these calls, or until the handle is closed.
//
// # Safety
// `segmenter` is NULL or from lrnnet_open and not closed.
const char *lrnnet_error(const struct LrnnetSegmenter *segmenter);

// Number of classes; 0 if the segmenter is not open.
//
// # Safety
// As for lrnnet_error.
size_t lrnnet_class_count(const struct LrnnetSegmenter *segmenter);

// Name of a class in UTF-8; NULL if there is none of this id. Valid until the handle is closed.
//
// # Safety
// As for lrnnet_error.
const char *lrnnet_class_name(const struct LrnnetSegmenter *segmenter, size_t class_id);

// The colours of the classes: red, green and blue of class 0, then of class 1, and so on; NULL if the segmenter is not
// open. Valid until the handle is closed.
//
// # Safety
// As for lrnnet_error.
const uint8_t *lrnnet_palette(const struct LrnnetSegmenter *segmenter);

// The device in use, as the word that asks for it: "auto" never is one. NULL if the segmenter is not open. Valid until the
// handle is closed.
//
// # Safety
// As for lrnnet_error.
const char *lrnnet_device(const struct LrnnetSegmenter *segmenter);

// Runtime, version and device in use, in words; NULL if the segmenter is not open. Valid until the handle is closed.
//
// # Safety
// As for lrnnet_error.
const char *lrnnet_runtime(const struct LrnnetSegmenter *segmenter);

// Closes a segmenter and frees what it holds; the handle and what came from it are of no more use. NULL is nothing to
// close.
//
// # Safety
// `segmenter` is NULL or from lrnnet_open, not closed, and in no call.
void lrnnet_close(struct LrnnetSegmenter *segmenter);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LRNNET_H */
